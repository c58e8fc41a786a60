"""Calls per request, counted: these do not depend on how busy the machine is."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from benchmarks.armed import FEATURES, TOGETHER
from benchmarks.micro.counter import Counter, CountingLoop
from benchmarks.micro.counts import Partner, partner, per_request
from proxy.config.load import load
from proxy.run.runtime import Runtime

ROUTES: Final = (1, 100, 5000)
FIELDS: Final = (5, 20, 50, 100)
SERVERS: Final = (1, 3, 10, 30, 100)

Row: TypeAlias = tuple[str, list[str]]

_TOP: Final = """
[server]
listen = "127.0.0.1:0"
max_header_size = "64KiB"
[log]
access = false
{tables}
[[upstreams]]
name = "api"
servers = [{servers}]
{upstream}
{routes}
"""
_ANY: Final = '[[routes]]\nupstream = "api"\n'
_FINDS: Final = 200
_ROUNDS: Final = 5

KINDS: Final[dict[str, tuple[str, str, str, str]]] = {
    # What route number N asks for, and target, host and fields of a request that it takes.
    "paths": ('path = "/p%d"', "/p%d/", "api.test", ""),
    "hosts": ('host = "h%d.test"', "/", "h%d.test", ""),
    "wildcard hosts": ('host = "*.h%d.test"', "/", "www.h%d.test", ""),
    "expressions": (r'path_regex = "/r%d/(\\d+)"', "/r%d/", "api.test", ""),
    "fields": ('headers = {{ X-Tenant = "t%d" }}', "/", "api.test", "X-Tenant: t%d\r\n"),
}


def asked(target: str = "/items", host: str = "api.test", fields: str = "", more: int = 0) -> str:
    """A kind for the peer: a GET with a trace."""
    lines = "".join(f"X-Field-{number}: value of {number}\r\n" for number in range(more))
    trace = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
    request = f"GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}{lines}{trace}\r\n"
    return "ask:" + request.encode().hex()


class Counts:
    """Proxies in this process, and the other process that plays client and upstream."""

    def __init__(self, loop: CountingLoop, other: Partner) -> None:
        self._other = other
        self._counter = Counter(loop, other.port)

    @asynccontextmanager
    async def running(
        self, *, tables: str = "", upstream: str = "", servers: int = 1, routes: str = _ANY
    ) -> AsyncIterator[Runtime]:
        """A proxy with these parts of a configuration."""
        names = [f'"http://127.0.0.{number + 1}:{self._other.port}"' for number in range(servers)]
        text = _TOP.format(
            tables=tables, servers=", ".join(names), upstream=upstream, routes=routes
        )
        with tempfile.TemporaryDirectory(prefix="growth-") as folder:
            path = Path(folder) / "config.toml"
            path.write_text(text)
            runtime = Runtime(load(path))
        await runtime.open()
        try:
            yield runtime
        finally:
            await runtime.close()

    async def calls(self, runtime: Runtime, kind: str) -> float:
        """Per request."""
        port = int(runtime.http[0].rpartition(":")[2])
        found = await per_request(self._counter, self._other, kind, port)
        return found["calls"]

    async def routes(self) -> AsyncIterator[Row]:
        """The last of many routes is asked for."""
        for name, (option, *request) in KINDS.items():
            cells = []
            for number in ROUTES:
                last = number - 1
                text = "".join(f"{_ANY}{option.format() % n}\n" for n in range(number))
                target, host, fields = (part % last if "%d" in part else part for part in request)
                async with self.running(routes=text) as runtime:
                    calls = await self.calls(runtime, asked(target + "42", host, fields))
                    taken = find_time(runtime, target, host, fields)
                cells.append(f"{calls:.0f} ({taken:.1f} µs)")
            yield name, cells

    async def fields(self) -> list[float]:
        """Calls with ever more fields."""
        async with self.running() as runtime:
            return [await self.calls(runtime, asked(more=number - 2)) for number in FIELDS]

    async def servers(self) -> list[float]:
        """Calls with ever more servers."""
        found = []
        for number in SERVERS:
            async with self.running(servers=number) as runtime:
                found.append(await self.calls(runtime, asked()))
        return found

    async def features(self) -> AsyncIterator[tuple[str, float]]:
        """Calls of a GET as in production with three servers: nothing armed, each alone, all."""
        cases = {"defaults": ("", ""), **FEATURES, "all of these": TOGETHER}
        for name, (tables, upstream) in cases.items():
            async with self.running(tables=tables, upstream=upstream, servers=3) as runtime:
                yield name, await self.calls(runtime, "get-production")


def find_time(runtime: Runtime, target: str, host: str, fields: str) -> float:
    """Microseconds in which the router finds the route: what an expression does is no call."""
    generation: Any = runtime._generations.current
    router = generation.router
    raw = [tuple(part.strip().encode() for part in fields.split(":"))] if fields else []

    def round_of_finds() -> float:
        begun = time.perf_counter()
        for number in range(_FINDS):
            router.find("GET", host, f"{target}{number}", raw)  # no path comes again and again
        return (time.perf_counter() - begun) / _FINDS * 1e6

    return statistics.median(round_of_finds() for _ in range(_ROUNDS))


async def _markdown() -> str:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, CountingLoop)
    async with partner() as other:
        counts = Counts(loop, other)
        lines = [_heading("routes of one kind", ROUTES)]
        async for name, cells in counts.routes():
            lines.append(f"| {name} | {' | '.join(cells)} |")
        lines.append("\nCalls of a request for the last of them; in brackets, finding it.\n")
        lines.append(_heading("fields of a request", FIELDS))
        lines.append(_row("calls", await counts.fields()))
        lines.append("\n" + _heading("servers", SERVERS))
        lines.append(_row("calls", await counts.servers()))
        lines.append("\n| a GET as in production, three servers | calls | more |\n|---|---:|---:|")
        base = 0.0
        async for name, calls in counts.features():
            base = base or calls
            lines.append(f"| {name} | {calls:.0f} | {calls - base:+.0f} |")
    return "\n".join(lines)


def _heading(title: str, numbers: tuple[int, ...]) -> str:
    return f"| {title} | {' | '.join(f'{number:,}' for number in numbers)} |\n" + (
        "|---|" + "---:|" * len(numbers)
    )


def _row(name: str, figures: list[float]) -> str:
    return f"| {name} | {' | '.join(f'{figure:.0f}' for figure in figures)} |"


def markdown() -> str:
    """All tables, measured now."""
    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        return runner.run(_markdown())
