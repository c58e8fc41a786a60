"""How long a reload keeps the event loop from everything else.

A proxy of 500 routes over 100 servers, in this process, reads files of which every route, or only
one, is another. The processor time between two turns of the loop is what the proxy itself is the
cause of; the time on the clock is longer where a machine has other work.
"""

import asyncio
import logging
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.soak import quantile
from proxy.config.load import load, read
from proxy.run.memory import settle_memory
from proxy.run.runtime import Runtime
from proxy.run.serve import run_in_loop

LONGEST_MS = 20.0
"""Milliseconds of processor time that a reload may keep the loop."""
BEAT = 0.001
UPSTREAMS = 20
TABLES = """
[server]
listen = "127.0.0.1:0"
[log]
access = false
[circuit_breaker]
[concurrency]
[queue]
[cache]
[coalesce]
"""


def texts(routes: int, servers: int, *, every: bool) -> Iterator[str]:
    """Files, in each of which ``every`` route, or the first, is another than in the one before."""
    for turn in range(1, 1 << 30):
        lines = [TABLES]
        for number in range(UPSTREAMS):
            its = range(number, servers, UPSTREAMS)
            urls = ", ".join(f'"http://127.0.0.1:{10_000 + each}"' for each in its)
            lines.append(f'[[upstreams]]\nname = "u{number}"\nservers = [{urls}]')
        for number in range(routes):
            idle = 100 + turn if every or not number else 100
            lines.append(f'[[routes]]\npath = "/r{number}"\nupstream = "u{number % UPSTREAMS}"')
            lines.append(f'timeouts = {{ idle = "{idle}s" }}')
        yield "\n".join(lines)


class File:
    """A configuration that is another one each time."""

    def __init__(self, folder: str, files: Iterator[str]) -> None:
        self._path = Path(folder, "config.toml")
        self._files = files
        self.change()

    def change(self) -> None:
        """Write the next one."""
        self._path.write_text(next(self._files))

    def __str__(self) -> str:
        return str(self._path)


class Turns:
    """The longest times between two turns of the loop, in milliseconds."""

    def __init__(self) -> None:
        self.own = self.clock = 0.0
        self._task = asyncio.ensure_future(self._beat())

    async def _beat(self) -> None:
        own, clock = time.thread_time(), time.perf_counter()
        while True:
            await asyncio.sleep(BEAT)
            own_now, clock_now = time.thread_time(), time.perf_counter()
            self.own = max(self.own, (own_now - own) * 1000)
            self.clock = max(self.clock, (clock_now - clock) * 1000)
            own, clock = own_now, clock_now

    def close(self) -> None:
        """Measure no more."""
        self._task.cancel()


async def _measure(reloads: int, routes: int, servers: int) -> bool:
    fine = True
    for every in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            file = File(folder, texts(routes, servers, every=every))
            runtime = Runtime(load(str(file)), read=partial(read, str(file)))
            await runtime.open()
            settle_memory()
            assert runtime.reloader is not None
            own, clock, took = [], [], []
            for _ in range(reloads):
                file.change()
                turns, began = Turns(), time.perf_counter()
                outcome = await runtime.reloader.reload()
                took.append((time.perf_counter() - began) * 1000)
                await asyncio.sleep(0.1)  # what was before, ends
                turns.close()
                assert outcome.report is not None, outcome.problems
                own.append(turns.own)
                clock.append(turns.clock)
            await runtime.close()
        what = "every route" if every else "one route"
        print(f"{what} of {routes} changed, {servers} servers, {reloads} reloads: ", end="")
        print(f"p50 {quantile(took, 0.5):.0f} ms each; the longest turn of the loop ", end="")
        print(f"p50 {quantile(own, 0.5):.1f} worst {max(own):.1f} ms of processor time, ", end="")
        print(f"p50 {quantile(clock, 0.5):.1f} worst {max(clock):.1f} ms on the clock")
        fine = fine and max(own) <= LONGEST_MS
    print(f"{'ok  ' if fine else 'FAIL'} no turn took more than {LONGEST_MS:g} ms")
    return fine


def pauses(reloads: int = 10, routes: int = 500, servers: int = 100) -> int:
    """The exit code."""

    async def main() -> int:
        return 0 if await _measure(reloads, routes, servers) else 1

    logging.basicConfig(level=logging.ERROR)
    return run_in_loop(main)
