"""The kernel does not end process 1 by a signal; a container runs the proxy as that."""

import signal
import subprocess
import sys

import pytest

CHILD = """
import os, signal, sys, time
from proxy.core import ending_signals
from proxy.core.pipes import content
from proxy.run import early_signals

if sys.argv[2] == "first":
    ending_signals.FIRST = os.getpid()
if sys.argv[3] == "start":
    early_signals.settle()
    print("here", flush=True)
    time.sleep(100)
signal.signal(signal.SIGTERM, lambda *_: None)  # as the loop has its own
signal.signal(signal.SIGINT, lambda *_: None)
os.mkfifo(sys.argv[1])
print("here", flush=True)
content(sys.argv[1])
"""


@pytest.mark.parametrize("at", ["start", "pipe"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("process", ["first", "other"])
def test_it_ends_at_once_with_the_status_of_the_signal(
    tmp_path_factory: pytest.TempPathFactory, process: str, number: signal.Signals, at: str
) -> None:
    fifo = tmp_path_factory.mktemp("fifo") / "pipe"
    arguments = [sys.executable, "-c", CHILD, str(fifo), process, at]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline() == b"here\n"
        while child.poll() is None:  # the pipe is opened, and waited for, a moment later
            child.send_signal(number)
            try:
                child.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
        assert child.returncode == (128 + number if process == "first" else -number)
        assert child.stderr.read() == b""
