"""``python -m benchmarks.pauses``: what holds the loop up for longer than 10 ms under load.

The proxy runs in a process of its own in which a beat of the loop is watched from another thread.
A pause that is only the machine's (the process could have run, and others did) does not count:
the kernel knows how long a thread has waited for a core.
"""

import argparse
import asyncio
import collections
import gc
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Any, Final

from benchmarks.load import configs, tool
from benchmarks.load.machine import PROXY, REST, busy, described, raise_limits
from benchmarks.load.peer import program
from benchmarks.load.process import Process, free_port

_BEAT: Final = 0.002
_OVER: Final = 0.010
_BUSY: Final = 64
_REPORT: Final = "pauses.txt"
_DEEPEST: Final = 4
"""Calls of a stack that are named."""


class Watch:
    """Beats on the loop, and looks from a thread what runs when a beat is late."""

    def __init__(self, report: Path) -> None:
        self._report = report
        self._main = threading.main_thread()
        self._beat = 0.0
        self._waited = 0.0
        self._seen: collections.Counter[str] = collections.Counter()
        self._open = True
        self._loop: asyncio.AbstractEventLoop
        gc.callbacks.append(self._collector)

    def install(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on."""
        self._loop = loop
        self._next()
        threading.Thread(target=self._look, daemon=True).start()

    def close(self) -> None:
        """Look no more."""
        self._open = False
        gc.callbacks.remove(self._collector)

    def _collector(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._seen["collector"] += 1

    def _next(self) -> None:
        now, waited = time.monotonic(), run_delay(self._main)
        late = now - self._beat - _BEAT - (waited - self._waited)
        if self._beat and late > _OVER:
            named = ", ".join(f"{what} ({times})" for what, times in self._seen.most_common(3))
            with self._report.open("a") as file:
                file.write(f"{late * 1000:.1f} {named or 'nothing was seen'}\n")
        self._seen.clear()
        self._beat, self._waited = time.monotonic(), waited
        if self._open:
            self._loop.call_later(_BEAT, self._next)

    def _look(self) -> None:
        while self._open:
            time.sleep(_BEAT)
            if time.monotonic() - self._beat < 2 * _BEAT or self._main.ident is None:
                continue
            frame = sys._current_frames().get(self._main.ident)
            stack = traceback.extract_stack(frame)[-_DEEPEST:]
            self._seen[" > ".join(f"{Path(at.filename).stem}.{at.name}" for at in stack)] += 1


def run_delay(thread: threading.Thread) -> float:
    """Seconds that a thread has waited for a core."""
    text = Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text()
    return int(text.split()[1]) / 1e9


def inside(config: str) -> int:
    """The proxy, watched."""
    from proxy.cli import main as run  # noqa: PLC0415 - only the child has a proxy
    from proxy.run import memory  # noqa: PLC0415

    watch = Watch(Path(config).with_name(_REPORT))
    made = memory.Memory.__init__

    def watched(self: Any, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        made(self, loop, **options)
        watch.install(loop)

    memory.Memory.__init__ = watched  # type: ignore[method-assign]
    return run(["run", config])


def main() -> int:
    """Print every pause and what ran; exit code 1 where there was one."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.pauses", description=__doc__)
    arguments.add_argument("--seconds", type=int, default=20)
    arguments.add_argument("--inside", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.inside:
        return inside(given.inside)
    nginx = program("nginx")
    if nginx is None or program("wrk") is None:
        print("nginx or wrk is missing: make bench-tools", file=sys.stderr)
        return 1
    print(f"{described()}; load before: {busy():.2f}")
    with tempfile.TemporaryDirectory(prefix="pauses-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        port, served = free_port(), free_port()
        upstream = configs.nginx_upstream(folder, port, raise_limits())
        config = configs.proxy(folder, served, f"127.0.0.1:{port}", access=True)
        api = [nginx, "-p", name, "-c", str(upstream)]
        command = [sys.executable, "-m", "benchmarks.pauses", "--inside", str(config)]
        with (
            Process(api, port, REST, folder / "log"),
            Process(command, served, PROXY, folder / "log-of-proxy") as proxy,
        ):
            tool.wrk(proxy, "/varied", _BUSY, 1, varied=True)
            report = folder / _REPORT
            report.unlink(missing_ok=True)  # the start is not load
            tool.wrk(proxy, "/varied", _BUSY, given.seconds, varied=True)
            pauses = report.read_text().splitlines() if report.exists() else []
    print(f"{len(pauses)} pauses over {_OVER * 1000:.0f} ms in {given.seconds} s")
    for line in sorted(pauses, key=lambda text: -float(text.split()[0])):
        taken, _, what = line.partition(" ")
        print(f"{taken} ms: {what}")
    return 1 if pauses else 0


if __name__ == "__main__":
    sys.exit(main())
