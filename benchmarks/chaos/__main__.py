"""``python -m benchmarks.chaos``: everything at once, seeded, and every answer checked."""

import argparse
import asyncio
import os
import platform
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.error import HTTPError

from benchmarks.chaos import checks, ledger, rest
from benchmarks.chaos.answer import Answer, End
from benchmarks.chaos.book import Book
from benchmarks.chaos.checks import Violation
from benchmarks.chaos.client import Client
from benchmarks.chaos.config import SERVERS
from benchmarks.chaos.plan import ROUTES, Ask, Kind, Session, session
from benchmarks.chaos.process import Proxy, Server
from benchmarks.chaos.reloads import Reloads
from benchmarks.chaos.storm import rage, storm

SEED: Final = 1
SECONDS: Final = 600.0
_CALM: Final = 0.4
"""Share of the seconds, 25 at most, that is kept for what stands around the load."""
_BUSY: Final = 1.0
"""Seconds of load before the proxy is told to drain."""
_SHOWN: Final = 6
_RECOVERY: Final = 60.0


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED, help=f"of all plans, {SEED}")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"in all, {SECONDS:g}")
    parser.add_argument("--clients", type=int, default=32, help="connections at a time, 32")
    parser.add_argument(
        "--grown", type=float, default=rest.GROWN, help=f"MiB that may stay, {rest.GROWN:g}"
    )
    parser.add_argument("--reloads", type=float, default=0.0, help="seconds between two; 0: none")
    parser.add_argument("--workers", type=int, default=1, help="processes that serve, 1")
    parser.add_argument("--session", type=int, help="print the plan of one connection, and end")
    return parser.parse_args(words)


class Chaos:
    """One run."""

    def __init__(self, asked: argparse.Namespace, folder: Path) -> None:
        self._asked = asked
        self._seed: int = asked.seed
        self._servers = [Server(asked.seed, number, folder) for number in range(SERVERS)]
        self._proxy = Proxy(folder, asked.workers)
        self._reloads = Reloads(self._proxy, asked.reloads)
        self._book = Book()
        self._next = 0
        self._hard: list[tuple[float, float]] = []
        """From when until when a client may be left without an answer."""
        self._found: list[Violation] = []

    async def run(self) -> list[Violation]:
        """Start everything, let it rage, look at what is left."""
        try:
            await asyncio.gather(*(server.start() for server in self._servers))
            await self._proxy.start(self._servers)
            await self._all()
        finally:
            await self._proxy.kill()
            await asyncio.gather(*(server.kill() for server in self._servers))
        return self._found

    async def _all(self) -> None:
        seconds: float = self._asked.seconds
        load = seconds - min(25.0, seconds * _CALM)
        proxy = self._proxy
        start = await rest.at_rest(proxy)
        await self._load(load)
        if proxy.exit_status is not None:
            self._found.append(Violation(f"died: {proxy.exit_status}: {proxy.said()[-3000:]}"))
            return
        self._found += map(Violation, await self._recovery())
        self._found += map(Violation, await rest.returned(proxy, start))
        before, after, wrong = await rest.grown(proxy, start, self._asked.grown)
        self._found += map(Violation, wrong)
        await self._drain()
        self._check()
        print(f"memory: {start.resident:.0f} MiB at the start, {before:.0f} at the end,", end=" ")
        print(f"{after:.0f} after a full collection")

    async def _load(self, seconds: float) -> None:
        blows = storm(self._seed, seconds, SERVERS)
        raging = asyncio.create_task(rage(blows, seconds, self._proxy, self._servers, self._hard))
        looking = asyncio.create_task(self._look())
        beside = [raging, looking]
        if self._asked.reloads:
            beside.append(asyncio.create_task(self._reloads.run()))
        until = asyncio.get_running_loop().time() + seconds
        await asyncio.gather(*(self._client(until) for _ in range(self._asked.clients)))
        for task in beside:
            task.cancel()
        for ended in await asyncio.gather(*beside, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
        if self._asked.reloads:
            await self._reloads.end()
            self._found += self._reloads.found
            print(f"{self._reloads.number} reloads")

    async def _look(self) -> None:
        """What operators are shown has to come whatever happens, but without descriptors."""
        while True:
            try:
                await asyncio.to_thread(self._proxy.state)
            except HTTPError as error:
                self._found.append(Violation(f"internal: /api/state answers {error}"))
            except OSError:
                pass
            await asyncio.sleep(1)

    async def _drain(self) -> None:
        """SIGTERM among requests: each is answered or visibly cut, and each has its line."""
        until = asyncio.get_running_loop().time() + 2 * _BUSY
        clients = [asyncio.create_task(self._client(until)) for _ in range(self._asked.clients)]
        await asyncio.sleep(_BUSY)
        self._hard.append((asyncio.get_running_loop().time(), float("inf")))
        try:
            status = await self._proxy.stop()
        except TimeoutError:
            self._found.append(Violation("exit: it has not ended a minute after SIGTERM"))
            await self._proxy.kill()
        else:
            if status not in (0, 1):
                self._found.append(Violation(f"exit: status {status} after a drain"))
        await asyncio.gather(*clients)

    async def _client(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < until and self._proxy.exit_status is None:
            planned = session(self._seed, self._next)
            self._next += 1
            await Client(planned, self._seed, self._proxy.door, self._book).run()

    async def _recovery(self) -> list[str]:
        """Every route answers again."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _RECOVERY
        missing = [route for route in ROUTES if route not in ("/events", "/tunnel")]
        number = 0
        while missing and loop.time() < until:
            for route in list(missing):
                name = f"{self._seed}-r{number}"
                number += 1
                ask = Ask(name, name, Kind.PLAIN, route)
                one = Session(-1, (ask,))
                await Client(one, self._seed, self._proxy.door, self._book).run()
                answer = self._book.records[-1].answer
                if answer.end is End.WHOLE and "proxy-status" not in answer.fields:
                    missing.remove(route)
        return [f"recovery: {route} has no answer any more" for route in missing]

    def _check(self) -> None:
        seen = ledger.read(server.ledger for server in self._servers)
        lines = self._proxy.log()
        by_name = {line["request_id"]: line for line in lines}
        for record in self._book.records:
            ask = record.ask
            for what in record.wrong:
                log = [by_name[ask.name]] if ask.name in by_name else []
                shown = f"{what}\n  client: {_told(record.answer)}"
                self._found.append(Violation(shown, ask, log=log, seen=seen.of(ask.nonce)))
        for wrong in checks.uploads(seen, self._book.asks):
            if wrong.ask is not None and not wrong.log:
                wrong.log = [line for line in lines if line["request_id"] == wrong.ask.name]
            self._found.append(wrong)
        self._found += checks.log_lines(lines, self._book.records, seen, self._book.asks)
        self._found += checks.unanswered(self._book.records, self._hard)
        self._found += checks.words(self._proxy.said())
        print(
            f"{self._book.connections} connections, {len(self._book.records)} requests, "
            f"{len(seen.arrivals)} arrivals at servers, {len(lines)} log lines"
        )
        errors = Counter(line["error"] for line in lines if line["error"])
        for counts in (self._book.ends, errors):
            print(", ".join(f"{number} {name}" for name, number in counts.most_common()))


def _told(answer: Answer) -> str:
    return f"{answer.end.value}, status {answer.status}, {answer.fields}"


def show(found: list[Violation], seed: int) -> None:
    """The first ones of each kind in full, and how many there are."""
    kinds: Counter[str] = Counter()
    for violation in found:
        kind = violation.what.partition(":")[0]
        kinds[kind] += 1
        if kinds[kind] <= _SHOWN:
            print(f"\nseed {seed}: {violation}")
    said = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())
    print(f"\nseed {seed}: {len(found)} violations: {said}")


def main() -> int:
    """0 where everything held, 1 where something did not."""
    asked = arguments()
    if asked.session is not None:
        print(session(asked.seed, asked.session))
        return 0
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    print(f"seed {asked.seed}, {asked.seconds:g} s, {asked.clients} clients;", end=" ")
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores", flush=True)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        found = asyncio.run(Chaos(asked, Path(folder)).run())
    if found:
        show(found, asked.seed)
        return 1
    print(f"seed {asked.seed}: every answer was the right one, and everything has returned")
    return 0


if __name__ == "__main__":
    sys.exit(main())
