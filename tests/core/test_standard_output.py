"""Standard output that nobody takes any more."""

import os
import subprocess
import sys

import pytest

WRITE = """
import sys
from proxy.core.standard_output import lost
sys.stdout.write("x")
try:
    sys.stdout.flush()
except OSError as error:
    sys.exit(7 if lost(error) else 0)
"""


@pytest.mark.parametrize(
    ("full", "code", "said"),
    [
        (False, 0, b""),
        (True, 7, b"sidecar-proxy: cannot write to standard output: No space left on device\n"),
    ],
)
def test_nobody_else_complains(full: bool, code: int, said: bytes) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open(writes, "wb") as left, open("/dev/full", "wb") as device:
        done = subprocess.run(
            [sys.executable, "-c", WRITE],
            stdout=device if full else left,
            stderr=subprocess.PIPE,
            env=buffered,
            check=False,
        )
    assert (done.returncode, done.stderr) == (code, said)


def test_the_exit_status_is_the_same_where_standard_error_is_lost_too() -> None:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "wb") as device:
        done = subprocess.run(
            [sys.executable, "-c", WRITE], stdout=device, stderr=device, env=buffered, check=False
        )
    assert done.returncode == 7
