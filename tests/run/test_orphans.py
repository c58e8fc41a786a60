"""What process 1 inherits leaves no zombies, and what somebody waits for keeps its status."""

import asyncio
import subprocess
import sys

import pytest

from proxy.run import serve

CHILD = """
import ctypes, os, subprocess, sys, time
from proxy.run import orphans

# PR_SET_CHILD_SUBREAPER: orphans come to this process, as to process 1
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def ended(pid):
    while open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.001)




def orphan():
    this = os.getpid()
    read, write = os.pipe()
    parent = os.fork()
    if not parent:
        if os.fork():
            os._exit(0)
        os.write(write, str(os.getpid()).encode())
        while os.getppid() != this:
            time.sleep(0.001)
        os._exit(3)
    os.waitpid(parent, 0)
    return int(os.read(read, 99))


awaited = subprocess.Popen(["sh", "-c", "exit 7"])
orphans.AWAITED.add(awaited.pid)
ended(awaited.pid)
first = orphan()
ended(first)
orphans.reap_once()
assert awaited.wait() == 7
orphans.AWAITED.discard(awaited.pid)
orphans.reap_once()
assert not os.path.exists(f"/proc/{first}")
second = orphan()
third = orphan()
ended(second)
ended(third)
orphans.reap_once()
assert not os.path.exists(f"/proc/{second}")
assert not os.path.exists(f"/proc/{third}")
orphans.reap_once()  # there is none
print("ok")
"""


def test_orphans_are_taken_note_of_and_others_keep_their_status() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("ok\n", "")


def test_process_1_looks_for_them_while_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    async def reap() -> None:
        try:
            seen.append("begun")
            await asyncio.Event().wait()
        finally:
            seen.append("ended")

    async def main() -> int:
        await asyncio.sleep(0)
        return 3

    monkeypatch.setattr(serve, "reap", reap)
    assert serve.run_in_loop(main) == 3
    assert not seen
    monkeypatch.setattr(serve, "are_ours", lambda: True)
    assert serve.run_in_loop(main) == 3
    assert seen == ["begun", "ended"]
