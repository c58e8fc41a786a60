"""Streams and sockets by the thousand for minutes, then a drain: what they cost, what is left."""

import argparse
import asyncio
import contextlib
import os
import platform
import re
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

TABLES = """
[server]
listen = "127.0.0.1:0"
max_connections = 20000
[log]
access = false
[shutdown]
grace_period = "{grace}s"
[[upstreams]]
name = "api"
servers = ["http://127.0.0.1:{port}"]
limit = 20000
[[routes]]
upstream = "api"
"""
SOCKET = (
    b"GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
GRACE = 3


def stamp() -> bytes:
    """19 bytes of now, the same clock in every process."""
    return b"%019.6f" % time.monotonic()


def event() -> bytes:
    """A chunk with one event."""
    data = b"data: " + stamp() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Events a second on every stream, an echo on every socket."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/socket" in head:
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\n\r\n"
            )
            while frame := await reader.readexactly(2):
                body = await reader.readexactly(4 + (frame[1] & 127))
                data = bytes(b ^ body[i % 4] for i, b in enumerate(body[4:]))
                writer.write(bytes([frame[0], len(data)]) + data)
                if frame[0] & 15 == 8:
                    break
        else:
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n"
            )
            while not (reader.at_eof() or writer.is_closing()):  # a reset is no end of file
                writer.write(event())
                await writer.drain()
                await asyncio.sleep(1)
    writer.close()


async def upstream() -> None:
    """Answer until whoever started this is gone."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)


class Clients:
    """All streams and sockets, their delays by second, and how they ended."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.open = 0
        self.delays: dict[str, list[tuple[float, float]]] = {"streams": [], "sockets": []}
        self.ends: Counter[str] = Counter()

    def _took(self, kind: str, sent: bytes) -> None:
        now = time.monotonic()
        self.delays[kind].append((now, (now - float(sent)) * 1000))

    async def _opened(self, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(request)
        await reader.readuntil(b"\r\n\r\n")
        self.open += 1
        return reader, writer

    async def stream(self) -> None:
        """One stream, until it ends."""
        reader, writer = await self._opened(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        end = "stream ended"
        try:
            while size := int(await reader.readuntil(b"\r\n"), 16):
                self._took("streams", (await reader.readexactly(size + 2))[6:25])
        except asyncio.IncompleteReadError:
            end = "stream cut (fin)"
        except ConnectionError:
            end = "stream cut (rst)"
        finally:
            writer.close()
        self.ends[end] += 1

    async def socket(self) -> None:
        """One socket, until it is closed."""
        reader, writer = await self._opened(SOCKET)
        writing = asyncio.create_task(self._talk(writer))
        end = "socket lost"
        try:
            while True:
                first, size = await reader.readexactly(2)
                data = await reader.readexactly(size)
                if first & 15 == 8:
                    writing.cancel()
                    writer.write(b"\x88\x82\0\0\0\0" + data[:2])
                    end = f"socket closed with {int.from_bytes(data[:2], 'big')}"
                    break
                self._took("sockets", data)
            await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writing.cancel()
            writer.close()
        self.ends[end] += 1

    async def _talk(self, writer: asyncio.StreamWriter) -> None:
        while True:
            await asyncio.sleep(1)
            writer.write(b"\x82\x93\0\0\0\0" + stamp())


def resident(pid: int) -> float:
    """MiB of memory that a process holds."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def descriptors(pid: int) -> int:
    """Open files of a process."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def state(pid: int, when: str) -> None:
    """Print what a process holds."""
    line = f"{when:<16} {resident(pid):7.1f} MiB, {descriptors(pid):5} descriptors"
    print(f"{line}, load {os.getloadavg()[0]:.1f}", flush=True)


def quantile(values: list[float], share: float) -> float:
    """The value below which this share of them is."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)] if values else 0.0


def report(clients: Clients, began: float) -> None:
    """Print delays: second by second, and of all."""
    for kind, delays in clients.delays.items():
        by_second: dict[int, list[float]] = {}
        for when, delay in delays:
            by_second.setdefault(int(when - began), []).append(delay)
        seconds = [(quantile(v, 0.5), quantile(v, 0.99)) for k, v in sorted(by_second.items())]
        print(f"{kind}, p50/p99 in ms per second:", *(f"{a:.1f}/{b:.1f}" for a, b in seconds))
        every = [delay for _, delay in delays]
        each = [quantile(every, share) for share in (0.5, 0.99, 0.999, 1)]
        figures = "p50 {:.2f} ms, p99 {:.2f} ms, p99.9 {:.2f} ms, worst {:.2f} ms".format(*each)
        print(f"{kind}: {len(every)} messages, {figures}")


async def load(clients: Clients, pid: int, options: argparse.Namespace) -> list[asyncio.Task[None]]:
    """Open everything, over some seconds, so that messages are spread over each second."""
    kinds = (clients.stream, options.streams), (clients.socket, options.sockets)
    makers = [kind for kind, number in kinds for _ in range(number)]
    tasks = []
    for maker in makers:
        tasks.append(asyncio.create_task(maker()))
        await asyncio.sleep(0.003)
    while clients.open < len(makers):  # noqa: ASYNC110 - counted in many places
        await asyncio.sleep(0.01)
    state(pid, f"{len(makers)} more open")
    return tasks


async def soak(options: argparse.Namespace, port: int, proxy: asyncio.subprocess.Process) -> bool:
    """The whole of it. Returns whether everything ended as it should."""
    pid = proxy.pid
    clients = Clients(port)
    state(pid, "start")
    idle = descriptors(pid)
    tasks = await load(clients, pid, options)
    began = time.monotonic()
    for part in (1, 2):
        await asyncio.sleep(options.seconds / 2)
        state(pid, f"after {options.seconds * part // 2} s")
    report(clients, began)
    # Others come and leave by themselves: nothing of them may stay.
    few = argparse.Namespace(streams=options.streams // 4, sockets=options.sockets // 4)
    more = await load(Clients(port), pid, few)
    for task in more:
        task.cancel()
    await asyncio.gather(*more, return_exceptions=True)
    await asyncio.sleep(2)
    state(pid, "others have left")
    left = descriptors(pid) - idle - 2 * len(tasks)
    print(f"descriptors left over by those who left: {left}")
    told = time.monotonic()
    proxy.send_signal(signal.SIGTERM)
    await asyncio.wait(tasks, timeout=GRACE + 10)
    print(f"all had ended {time.monotonic() - told:.2f} s after SIGTERM ({GRACE} s of grace)")
    status = await proxy.wait()
    print(f"exit status {status} after {time.monotonic() - told:.2f} s")
    for end, number in sorted(clients.ends.items()):
        print(f"{number:5} {end}")
    return clients.ends["socket closed with 1001"] == options.sockets and left == 0


async def run(options: argparse.Namespace) -> bool:
    """Start upstream and proxy, soak them, end them."""
    pipe = asyncio.subprocess.PIPE
    source = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.soak", "--upstream", stdin=pipe, stdout=pipe
    )
    proxy = None
    try:
        assert source.stdout is not None
        tables = TABLES.format(grace=GRACE, port=int(await source.stdout.readline()))
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(tables)
            file.flush()
            proxy = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "proxy", "run", file.name, stderr=pipe
            )
            assert proxy.stderr is not None
            ready = (await proxy.stderr.readline()).decode()
        # It has a line for each request that is cut: unread, they would stop it.
        drinking = asyncio.create_task(proxy.stderr.read())
        found = re.search(r"http=\S+:(\d+)", ready)
        assert found, ready
        fine = await soak(options, int(found[1]), proxy)
        await drinking
        return fine
    finally:
        for process in (proxy, source):
            if process is not None and process.returncode is None:
                process.kill()
                await process.wait()


def main() -> int:
    """Soak with what the command line says."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--upstream", action="store_true", help="be the upstream")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if options.upstream:
        asyncio.run(upstream())
        return 0
    print(f"{options.streams} streams, {options.sockets} sockets, {options.seconds} s;", end=" ")
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores")
    return 0 if asyncio.run(run(options)) else 1


if __name__ == "__main__":
    sys.exit(main())
