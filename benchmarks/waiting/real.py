"""Hedging and coalescing, with a proxy and an API that are processes of their own."""

import asyncio
import contextlib
import random
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from benchmarks.load.process import free_port
from benchmarks.waiting.api import LARGE, PAGE

RATE: Final = 100.0
WARM: Final = 8.0
CLIENTS: Final = 1000
_READY: Final = 10.0
_CONFIG: Final = """
[server]
listen = "127.0.0.1:{port}"
[log]
access = false
{tables}
[[upstreams]]
name = "api"
servers = [{servers}]
"""


async def _answers(port: int) -> None:
    async with asyncio.timeout(_READY):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def running(port: int, *words: str) -> AsyncIterator[int]:
    """A Python program that listens, until the end of the block; its process id."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await _answers(port)
        yield child.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        await child.wait()


@contextlib.asynccontextmanager
async def proxied(tables: str, *servers: int) -> AsyncIterator[tuple[int, int]]:
    """A proxy in front of these ports: its port and its process id."""
    port = free_port()
    urls = ", ".join(f'"http://127.0.0.1:{server}"' for server in servers)
    text = _CONFIG.format(port=port, tables=tables, servers=urls)
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
        config.write(text)
        config.flush()
        async with running(port, "-m", "proxy", "run", config.name) as pid:
            yield port, pid


async def _ask(port: int, target: str) -> bytes:
    """The body of a small answer, on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target.encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    (size,) = re.findall(rb"(?i)content-length: *(\d+)", head)
    body = await reader.readexactly(int(size))
    writer.close()
    return body


async def _timed(port: int, into: list[float]) -> None:
    began = time.monotonic()
    await _ask(port, "/")
    into.append(time.monotonic() - began)


async def _load(port: int, seed: int, seconds: float) -> list[float]:
    """Open loop; how long all requests took that came after a warm-up."""
    rng = random.Random(seed)
    began = due = time.monotonic()
    warm: list[float] = []
    counted: list[float] = []
    async with asyncio.TaskGroup() as group:
        while due < began + WARM + seconds:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            group.create_task(_timed(port, warm if due < began + WARM else counted))
            due += rng.expovariate(RATE)
    return sorted(counted)


async def _one(seed: int, seconds: float, tables: str) -> tuple[float, float, float]:
    """p95, p99, and requests to the API for each of a client."""
    api, other = free_port(), free_port()
    words = ("-m", "benchmarks.waiting.api", "stalls", str(seed), str(api), str(other))
    async with running(other, *words), proxied(tables, api, other) as (port, _):
        requests = await _load(port, seed, seconds)
        asked = int(await _ask(api, "/count"))
        total = len(requests) * (seconds + WARM) / seconds
        n = len(requests)
        return requests[int(n * 0.95)], requests[int(n * 0.99)], asked / total


async def hedge(seed: int, seconds: float, say: Callable[[str], None]) -> None:
    """Side by side, on the same stalls."""
    plain, hedged = await asyncio.gather(_one(seed, seconds, ""), _one(seed, seconds, "[hedge]"))
    for name, (p95, p99, sent) in (("without", plain), ("hedged", hedged)):
        say(
            f"| {seed} | {name} | {1000 * p95:,.0f} | {1000 * p99:,.0f} | {p99 / p95:.2f} "
            f"| {sent:.3f} |"
        )


def _resident(pid: int) -> float:
    """MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


class _Reader(asyncio.Protocol):
    """A client that counts what it gets."""

    def __init__(self, size: int, done: Callable[[], None]) -> None:
        self._left = size
        self._done = done
        self._head = b""

    def data_received(self, data: bytes) -> None:
        """A piece."""
        if self._head is not None:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            assert head.startswith(b"HTTP/1.1 200"), head
            self._head = None  # type: ignore[assignment]
        self._left -= len(data)
        if self._left <= 0:
            self._done()


async def _crowd(port: int, pid: int, target: str, size: int) -> tuple[float, float]:
    """All clients ask at once: seconds until the last has its answer, MiB more meanwhile."""
    loop = asyncio.get_running_loop()
    finished = asyncio.Event()
    left = CLIENTS

    def done() -> None:
        nonlocal left
        left -= 1
        if not left:
            finished.set()

    transports = [
        (await loop.create_connection(lambda: _Reader(size, done), "127.0.0.1", port))[0]
        for _ in range(CLIENTS)
    ]
    before = most = _resident(pid)
    began = time.monotonic()
    for transport in transports:
        transport.write(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target.encode())
    while not finished.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.02):
                await finished.wait()
        most = max(most, _resident(pid))
    taken = time.monotonic() - began
    for transport in transports:
        transport.abort()
    return taken, most - before


async def coalesce(seed: int, say: Callable[[str], None]) -> None:
    """A thousand clients on one resource, small and large."""
    api = free_port()
    words = ("-m", "benchmarks.waiting.api", "page", str(seed), str(api))
    async with running(api, *words), proxied("[coalesce]", api) as (port, pid):
        asked = 0
        for target, size in (("/small", 4), ("/large", LARGE)):
            taken, memory = await _crowd(port, pid, target, size)
            now = int(await _ask(api, "/count"))
            say(
                f"| {seed} | {target[1:]} | {now - asked} | {taken:.2f} | {taken - PAGE:.2f} "
                f"| {memory:.1f} |"
            )
            asked = now
