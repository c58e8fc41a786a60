"""``python -m benchmarks.pages``: what open pages cost, in processor time of the proxy.

The proxy is asked 2,000 times a second, by turns with and without pages that are open. A page
here is what the page in a browser does: it loads what it shows, and then listens to ``/api/live``.
Some calls are slow and some fail, so that there is something to tell.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

ROUTES: Final = 10
SERVERS: Final = 3
SLOW: Final = 0.4
"""Seconds."""
TABLES: Final = """
[server]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[log]
access = false
level = "error"
[retry]
attempts = 1
[load_balance]
ejection_time = "0"
[[upstreams]]
name = "api"
servers = [{servers}]
{routes}
"""
ROUTE: Final = """
[[routes]]
path = "/v{number}"
upstream = "api"
"""
OK: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 200\r\n\r\n" + b"x" * 200
)
FAILED: Final = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
LOADS: Final = (
    "/",
    "/api/history?span=300&step=1",
    "/api/exchanges?limit=500",
    "/api/causes",
)
"""What the page asks for when it is opened."""


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server of the API: fast, slow or failing, as the target says."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while head := await reader.readuntil(b"\r\n\r\n"):
            if b"/slow " in head[:40]:
                await asyncio.sleep(SLOW)
            writer.write(FAILED if b"/failed " in head[:40] else OK)
    writer.close()


class Load:
    """Clients that ask at a rate, all together."""

    def __init__(self, port: int, clients: int, rate: float) -> None:
        self._port = port
        self._pause = clients / rate
        self.sent = 0
        self._tasks = [asyncio.create_task(self._client(number)) for number in range(clients)]

    async def _client(self, number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        due = time.monotonic() + self._pause * number / 100
        turn = number
        while True:
            due = max(due + self._pause, time.monotonic() - 1)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            turn += 1
            kind = b"slow" if turn % 200 == 0 else b"failed" if turn % 100 == 0 else b"items"
            writer.write(b"GET /v%d/%b HTTP/1.1\r\nHost: api.test\r\n\r\n" % (turn % ROUTES, kind))
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            assert length is not None, head
            await reader.readexactly(int(length[1]))
            self.sent += 1

    async def close(self) -> None:
        """Ask no more."""
        for task in self._tasks:
            task.cancel()
        failed = await asyncio.gather(*self._tasks, return_exceptions=True)
        for each in failed:
            if isinstance(each, Exception):
                raise each


class Page:
    """What a browser does with the page."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.events = self.size = 0
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Load it, and listen."""
        for path in LOADS:
            reader, writer = await self._ask(path)
            await reader.read()
            writer.close()
        reader, writer = await self._ask("/api/live")
        await reader.readuntil(b"retry: ")
        self._task = asyncio.create_task(self._listen(reader, writer))

    async def close(self) -> None:
        """Leave."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _ask(self, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            "Accept-Encoding: gzip, deflate, br\r\n\r\n".encode()
        )
        return reader, writer

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                self.size += len(data)
                self.events += data.count(b"event: second")
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def proxy(folder: Path, ports: list[int]) -> AsyncIterator[tuple[int, int, int]]:
    """A running one: its process id, the ports for clients and operators."""
    config = folder / "config.toml"
    servers = ", ".join(f'"http://127.0.0.1:{port}"' for port in ports)
    routes = "".join(ROUTE.format(number=number) for number in range(ROUTES))
    config.write_text(TABLES.format(servers=servers, routes=routes))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", "run", str(config)), stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(30):
            while not (line := await process.stderr.readline()).startswith(b"ready "):
                assert line, "the proxy has not started"
        found = re.search(rb"http=\S+:(\d+) admin=\S+:(\d+)", line)
        assert found is not None
        yield process.pid, int(found[1]), int(found[2])
    finally:
        process.terminate()
        await process.wait()


def used(pid: int) -> float:
    """Seconds of processor time that its threads have had, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(each.read_text().split()[0]) for each in tasks) / 1e9


async def measure(options: argparse.Namespace) -> list[float]:
    """Parts of a core that pages have taken, one for each round."""
    found: list[float] = []
    with tempfile.TemporaryDirectory(prefix="pages-") as name:
        upstreams = [await asyncio.start_server(answer, "127.0.0.1", 0) for _ in range(SERVERS)]
        ports = [each.sockets[0].getsockname()[1] for each in upstreams]
        async with proxy(Path(name), ports) as (pid, http, admin):
            load = Load(http, options.clients, options.rate)
            await asyncio.sleep(options.warm)
            for number in range(options.rounds):
                spent: dict[bool, tuple[float, float]] = {}
                for opened in (False, True) if number % 2 else (True, False):
                    pages = [Page(admin) for _ in range(options.pages if opened else 0)]
                    spent[opened] = await window(pid, load, pages, options.seconds)
                (without, few), (with_pages, many) = spent[False], spent[True]
                # Where the rates differ, so does what requests cost: this is what pages do.
                found.append(with_pages - without * many / few)
            await load.close()
        for each in upstreams:
            each.close()
    return found


async def window(pid: int, load: Load, pages: list[Page], seconds: float) -> tuple[float, float]:
    """The part of a core that the proxy takes, and the requests in a second."""
    for page in pages:
        await page.open()
    await asyncio.sleep(1.5)
    before, sent, began = used(pid), load.sent, time.monotonic()
    await asyncio.sleep(seconds)
    took = time.monotonic() - began
    share, rate = (used(pid) - before) / took, (load.sent - sent) / took
    told = ""
    for page in pages:
        if not page.events:
            raise RuntimeError("a page was told nothing")
        told = f", events of {page.size / page.events / 1024:.1f} KiB"
        await page.close()
    print(f"{len(pages)} pages: {100 * share:.2f} % at {rate:.0f}/s{told}", flush=True)
    return share, rate


def main() -> int:
    """Print what pages cost; exit code 1 where it is 2 % of a core or more."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    arguments.add_argument("--pages", type=int, default=3)
    arguments.add_argument("--rate", type=float, default=2000.0, help="requests in a second")
    arguments.add_argument("--clients", type=int, default=40)
    arguments.add_argument("--rounds", type=int, default=8)
    arguments.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    arguments.add_argument("--warm", type=float, default=5.0, help="seconds before the first")
    options = arguments.parse_args()
    print(
        f"{platform.python_implementation()} {platform.python_version()}, load", os.getloadavg()[0]
    )
    found = asyncio.run(measure(options))
    cost = statistics.median(found)
    print(
        json.dumps({"pages": options.pages, "rate": options.rate, "percent": round(100 * cost, 2)})
    )
    return 1 if cost >= 0.02 else 0


if __name__ == "__main__":
    sys.exit(main())
