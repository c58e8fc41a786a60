"""A test that hangs is ended and says where; the others go on."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HANGS = """
import asyncio, signal, threading
from tests.support.loop import JumpingLoop

async def nobody_answers():
    await asyncio.get_running_loop().create_future()

async def test_it_waits_in_a_task():
    await nobody_answers()

async def test_another_task_waits_too():
    other = asyncio.create_task(nobody_answers(), name="the other")
    await asyncio.Event().wait()

async def test_it_never_rests():
    while True:
        await asyncio.sleep(0)

async def test_time_jumps_for_ever(jumping):
    while True:
        await asyncio.sleep(60)

async def test_it_blocks_its_loop():
    threading.Event().wait()

def test_it_has_no_loop():
    threading.Event().wait()

def test_signals_do_not_come_through():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    threading.Event().wait()

def test_its_end_after_a_failure_blocks(request):
    request.addfinalizer(threading.Event().wait)
    assert False

def test_it_is_fine():
    pass
"""


def outcome(folder: Path, *options: str) -> str:
    """What pytest says of the tests above."""
    (folder / "test_hanging.py").write_text(HANGS)
    # What is said of how it ended is not to depend on where this runs.
    environment = {k: v for k, v in os.environ.items() if k not in ("CI", "PYTEST_ADDOPTS")}
    words = ["-c", "pyproject.toml", "-p", "tests.conftest", "-p", "no:cacheprovider", *options]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *words, str(folder)],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
        env=environment,
    )
    return run.stdout + run.stderr


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_test_that_hangs_says_what_it_was_waiting_for(tmp_path: Path, loop: str) -> None:
    said = outcome(tmp_path, "--loop", loop, "-o", "timeout=1", "-k", "not signals and not end")
    assert "6 failed, 1 passed" in said
    assert said.count("Timeout (>1.0s)") >= 6
    assert said.count("in nobody_answers\n") == 2
    assert "the other:\n" in said
    assert "in test_it_never_rests\n" in said


@pytest.mark.parametrize(
    "name", ["test_signals_do_not_come_through", "test_its_end_after_a_failure_blocks"]
)
def test_if_no_signal_ends_it_its_process_ends(tmp_path: Path, name: str) -> None:
    ways = ["--numprocesses", "2", "--dist", "loadfile", "--max-worker-restart", "0"]
    options = ["-o", "timeout=0", "-o", "faulthandler_timeout=1", *ways]
    said = outcome(tmp_path, *options, "-k", f"{name} or fine")
    assert said.count(f"crashed while running 'test_hanging.py::{name}'") == 1
    assert re.search(r"^=+ [12] failed", said, re.MULTILINE)  # with the failure before the end
    assert re.search(r"^  File .* in wait$", said, re.MULTILINE)
