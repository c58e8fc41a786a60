"""What the proxy holds, and what it gives back: ``python -m benchmarks.memory [--posts 75000]``.

A proxy process with its defaults between an API and clients on loopback, all of one other process.
Resident memory in MiB before, at the most, and five seconds after each load has ended. About five
minutes; ``--posts 5000`` takes two.
"""

import argparse
import asyncio
import contextlib
import re
import signal
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import uvloop

MIB = 1 << 20
AT_A_TIME = 1000
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n%b\r\n"
PUT = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
BLOCK = b"x" * 65536
LONG = 30_000_000
REPLY = b"y" * LONG
UPLOAD = memoryview(REPLY)[:10_000_000]
RESET = struct.pack("ii", 1, 0)
SETTLE = 5.0

Address = tuple[str, int]


class Api(asyncio.Protocol):
    """Does with a connection what ``mode`` says."""

    mode = "slow"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Read, or do not."""
        self._transport = cast(asyncio.Transport, transport)
        self._left = -1
        self._loop = asyncio.get_running_loop()
        if self.mode == "reads nothing":
            self._loop.call_soon(self._transport.pause_reading)

    def data_received(self, data: bytes) -> None:
        """Count what comes of the one request that is under way."""
        if self._left < 0:
            head, _, data = data.partition(b"\r\n\r\n")
            found = re.search(rb"(?i)content-length: *(\d+)", head)
            self._left = int(found[1]) if found else 0
            if self.mode == "resets":
                self._loop.call_later(0.05, self._reset)
        self._left -= len(data)
        if self._left <= 0 and self.mode != "resets":
            self._left = -1
            self._loop.call_later(1.0 if self.mode == "slow" else 0.0, self._answer)

    def _answer(self) -> None:
        if self._transport.is_closing():
            return
        body = REPLY if self.mode == "long" else b"ok"
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        self._transport.write(body)  # the same bytes for all: uvloop copies none

    def _reset(self) -> None:
        sock = self._transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._transport.abort()


class Process:
    """The proxy."""

    def __init__(self, process: asyncio.subprocess.Process, address: Address) -> None:
        self._process = process
        self.address = address
        self.most = 0.0

    @classmethod
    async def start(cls, upstream: str) -> "Process":
        """Wait until it is ready."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "proxy", "run", "--upstream", upstream),
            *("--listen", "127.0.0.1:0"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        while line := (await process.stderr.readline()).decode():
            if found := re.search(r"ready http=([\d.]+):(\d+)", line):
                return cls(process, (found[1], int(found[2])))
        raise SystemExit("the proxy did not start")

    @property
    def resident(self) -> float:
        """MiB."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * 4096 / MIB

    async def watch(self) -> None:
        """Note the most."""
        while True:
            self.most = max(self.most, self.resident)
            await asyncio.sleep(0.2)

    async def stop(self) -> None:
        """Twice: what stalls is not waited for."""
        self._process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.2)
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        await self._process.wait()


async def posted(address: Address) -> None:
    """A POST of 50 kB, answered after a second, over a connection that closes."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(POST % (50_000, b"Connection: close\r\n") + b"x" * 50_000)
    answer = await reader.read(-1)
    writer.close()
    if b" 200 " not in answer:
        raise RuntimeError(f"not answered: {answer[:200]!r}")


async def given_up(address: Address, size: int, sent: int) -> None:
    """An upload of ``size`` bytes that is cut after ``sent``, or whose API cuts it."""
    _, writer = await asyncio.open_connection(*address)
    with contextlib.suppress(OSError, TimeoutError):
        writer.write(POST % (size, b""))
        for _ in range(sent // len(BLOCK)):
            writer.write(BLOCK)
            async with asyncio.timeout(2):
                await writer.drain()
    writer.transport.abort()


async def stalls(address: Address, method: bytes) -> None:
    """A client that reads nothing, or sends as much as is taken, for ten seconds."""
    sock = socket.socket()
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, address)
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(10):
            if method == b"GET":
                await loop.sock_sendall(sock, GET)
            else:
                await loop.sock_sendall(sock, PUT % len(UPLOAD))
                await loop.sock_sendall(sock, UPLOAD)
            await asyncio.sleep(10)
    sock.close()


async def load(
    name: str, mode: str, number: int, at_a_time: int, one: Callable[[Address], Awaitable[None]]
) -> None:
    """So many times, so many at a time; prints a row."""
    Api.mode = mode
    server = await asyncio.get_running_loop().create_server(Api, "127.0.0.1", 0, backlog=4096)
    process = await Process.start(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        start = process.resident
        watching = asyncio.create_task(process.watch())
        room = asyncio.Semaphore(at_a_time)

        async def once() -> None:
            async with room:
                await one(process.address)

        await asyncio.gather(*(once() for _ in range(number)))
        await asyncio.sleep(SETTLE)
        watching.cancel()
        print(f"| {name} | {start:.0f} | {process.most:.0f} | {process.resident:.0f} |", flush=True)
    finally:
        await process.stop()
        server.close()


async def main(posts: int) -> None:
    """Every load, each on a process of its own."""
    print("| load | before | most | after |\n|---|---|---|---|")
    await load(f"{posts:,} POSTs of 50 kB, 1,000 at a time", "slow", posts, AT_A_TIME, posted)
    await load(
        "5 x 200 uploads of 20 MB that are given up",
        "slow",
        1000,
        200,
        lambda address: given_up(address, 20_000_000, MIB),
    )
    await load(
        "6 x 100 POSTs of 6 MB whose API resets",
        "resets",
        600,
        100,
        lambda address: given_up(address, 6_000_000, 6_000_000),
    )
    for number in (100, 1000):
        await load(
            f"{number:,} replies of 30 MB, not read",
            *("long", number, number),
            lambda address: stalls(address, b"GET"),
        )
    for number in (100, 500):
        await load(
            f"{number:,} PUTs of 10 MB, not read",
            *("reads nothing", number, number),
            lambda address: stalls(address, b"PUT"),
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=75_000)
    uvloop.run(main(parser.parse_args().posts))
