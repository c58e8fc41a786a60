"""The figures of ``docs/figures.md``: ``python -m benchmarks.figures`` prints the table.

A proxy process between a raw upstream and raw clients on loopback. Everything is bounded and stops
by itself; the whole takes about half a minute.
"""

import asyncio
import contextlib
import os
import re
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

GIB = 1 << 30
BLOCK = b"\0" * (256 << 10)
READY_RUNS = 7
EVENTS = 200
DEPARTURES = 20


class Upstream:
    """Sends a GiB, takes a GiB, streams events, or says nothing and notes when it is left."""

    def __init__(self) -> None:
        self.left: asyncio.Queue[float] = asyncio.Queue()
        self.url = ""

    async def __aenter__(self) -> "Upstream":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await self._answer(head.split()[1], reader, writer)
        writer.close()

    async def _answer(
        self, target: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if target == b"/down":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % GIB)
            for _ in range(GIB // len(BLOCK)):
                writer.write(BLOCK)
                await writer.drain()
        elif target == b"/up":
            left = GIB
            while left:
                left -= len(await reader.read(min(left, len(BLOCK))))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        elif target == b"/events":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
            writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(EVENTS):
                await asyncio.sleep(0.01)
                event = b"data: %.7f\n\n" % time.perf_counter()
                writer.write(b"%x\r\n%b\r\n" % (len(event), event))
            writer.write(b"0\r\n\r\n")
        elif target.startswith(b"/leave"):
            if target == b"/leave/after":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
            await reader.read(1)
            self.left.put_nowait(time.perf_counter())
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


class Proxy:
    """A proxy process."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, ready: float) -> None:
        self.process = process
        self.port = port
        self.ready = ready

    def memory(self, name: str = "VmRSS") -> float:
        """MiB, as the kernel counts them; VmHWM is the highest since the last reset."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"{name}:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024

    def reset_peak(self) -> None:
        """Count VmHWM from now (proc(5), clear_refs)."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    async def request(self, head: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A request on a connection of its own."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(head)
        return reader, writer


@contextlib.asynccontextmanager
async def proxy(upstream: str) -> AsyncIterator[Proxy]:
    """``sidecar-proxy run --upstream URL``, until left."""
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", "run", "--upstream", upstream),
        *("--listen", "127.0.0.1:0"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async for line in process.stderr:
            if found := re.match(rb"ready http=127\.0\.0\.1:(\d+)", line):
                yield Proxy(process, int(found[1]), time.perf_counter() - begun)
                break
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def ready(upstream: str) -> list[float]:
    """Milliseconds from the start of the process to its ready line."""
    taken = []
    for _ in range(READY_RUNS):
        async with proxy(upstream) as running:
            taken.append(running.ready * 1000)
    return taken


async def extra_memory(running: Proxy, transfer: Callable[[Proxy], object]) -> float:
    """MiB over what the proxy held before, at the highest point of a transfer."""
    for _ in range(50):
        reader, writer = await running.request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readuntil(b"ok")
        writer.close()
    before = running.memory()
    running.reset_peak()
    await transfer(running)  # type: ignore[misc]
    return running.memory("VmHWM") - before


async def download(running: Proxy) -> None:
    """A GiB from the upstream."""
    reader, writer = await running.request(b"GET /down HTTP/1.1\r\nHost: a\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    left = GIB
    while left:
        data = await reader.read(len(BLOCK))
        assert data, f"{left} bytes are missing"
        left -= len(data)
    writer.close()


async def upload(running: Proxy) -> None:
    """A GiB to the upstream."""
    head = b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % GIB
    reader, writer = await running.request(head)
    for _ in range(GIB // len(BLOCK)):
        writer.write(BLOCK)
        await writer.drain()
    await reader.readuntil(b"\r\n\r\nok")
    writer.close()


async def events(running: Proxy) -> list[float]:
    """Milliseconds from an event's leaving the upstream to its arriving at the client."""
    reader, writer = await running.request(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    late = []
    for _ in range(EVENTS):
        await reader.readuntil(b"data: ")
        sent = float(await reader.readuntil(b"\n\n"))
        late.append((time.perf_counter() - sent) * 1000)
    writer.close()
    return late


async def departures(running: Proxy, upstream: Upstream, target: str) -> list[float]:
    """Milliseconds from a client's leaving to the upstream's seeing it."""
    taken = []
    for _ in range(DEPARTURES):
        reader, writer = await running.request(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        if target.endswith("after"):
            await reader.readuntil(b"some")
        else:
            await asyncio.sleep(0.02)
        left = time.perf_counter()
        writer.close()
        taken.append((await upstream.left.get() - left) * 1000)
    return taken


def row(what: str, limit: str, values: list[float], unit: str) -> None:
    """One line of the table: median and worst."""
    print(
        f"| {what} | {limit} | {statistics.median(values):.1f} {unit} | {max(values):.1f} {unit} |"
    )


async def main() -> None:
    """Measure everything and print the table."""
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores\n")
    print("| what | limit | median | worst |\n|---|---|---|---|")
    async with Upstream() as upstream:
        row("start to ready", "400 ms", await ready(upstream.url), "ms")
        for what, transfer in (("1 GiB download", download), ("1 GiB upload", upload)):
            async with proxy(upstream.url) as running:
                extra = await extra_memory(running, transfer)
                row(f"{what}, extra resident memory", "8 MiB", [extra], "MiB")
        async with proxy(upstream.url) as running:
            row("server-sent event, delay", "5 ms", await events(running), "ms")
            for what, target in (("before", "/leave/before"), ("after", "/leave/after")):
                left = await departures(running, upstream, target)
                row(f"client leaves {what} the first byte, upstream told", "50 ms", left, "ms")


if __name__ == "__main__":
    asyncio.run(main())
