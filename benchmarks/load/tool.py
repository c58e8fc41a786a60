"""Runs what makes the load, and reads its JSON."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.load.machine import REST, settled
from benchmarks.load.peer import program
from benchmarks.load.process import Process

_ROOT: Final = Path(__file__).parents[2]
_SCRIPT: Final = Path(__file__).with_name("clients") / "wrk.lua"
_SAMPLE: Final = 0.02
_PATIENCE: Final = 60.0


class NotMeasured(Exception):
    """The load could not be made; why is the message."""


def wrk(
    target: Process,
    path: str,
    connections: int,
    seconds: int,
    body: int = 0,
    *,
    varied: bool = False,
) -> dict[str, float]:
    """wrk on one thread; ``body`` bytes are posted. ``varied``: no two requests are alike."""
    found = program("wrk")
    if found is None:
        raise NotMeasured("wrk is missing: make bench-tools")
    command = [found, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    command += ["-s", str(_SCRIPT), f"http://{target.address}{path}"]
    command += ["--", str(body), *(["varied"] if varied else [])]
    return _finished(_started(command))


def client(name: str, *arguments: object) -> dict[str, float]:
    """A client of ``clients/``, until it ends."""
    return _finished(_client(name, *arguments))


def watched(target: Process, name: str, *arguments: object) -> tuple[dict[str, float], float]:
    """Likewise, and the most KiB that ``target`` held meanwhile."""
    child = _client(name, *arguments)
    most = 0.0

    def sample() -> None:
        nonlocal most
        most = max(most, target.memory())

    return _finished(child, sample), most


def _client(name: str, *arguments: object) -> subprocess.Popen[str]:
    module = f"benchmarks.load.clients.{name}"
    return _started([sys.executable, "-m", module, *map(str, arguments)])


def _started(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=_ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=settled(REST),  # noqa: PLW1509  (this process has no threads)
    )


def _finished(
    child: subprocess.Popen[str], sample: Callable[[], None] = lambda: None
) -> dict[str, float]:
    deadline = time.monotonic() + _PATIENCE
    try:
        while child.poll() is None:  # what they print fits into a pipe
            sample()
            if time.monotonic() > deadline:
                raise NotMeasured("the load generator did not finish")
            time.sleep(_SAMPLE)
    finally:
        child.kill()
        said, _ = child.communicate()
    lines = said.strip().splitlines()
    if child.returncode or not lines:
        raise NotMeasured(said.strip()[-500:] or f"exit code {child.returncode}")
    found: dict[str, float] = json.loads(lines[-1])
    return found
