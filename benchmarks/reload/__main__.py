"""Reloads that change a route, a server list and a limit, under requests, streams and sockets.

The same load runs first without reloads: a busy machine is late by itself. Bad files come in
between and change nothing. A server that fails is ejected once, at the start, and stays so.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import platform
import re
import resource
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.reload.pause import pauses
from benchmarks.reload.server import serve
from benchmarks.soak import Clients, quantile, resident

GRACE = 3
LATE_MS = 50.0
"""Milliseconds that an event may come later than the latest one of the run without reloads."""
LEFT_MIB = 2.0
"""MiB that may be left in memory, beyond what the run without reloads leaves."""
GET = b"GET /v1/items HTTP/1.1\r\nHost: api.test\r\n\r\n"
TABLES = """
[server]
listen = "127.0.0.1:0"
max_connections = 5000
[admin]
listen = "127.0.0.1:0"
[log]
access = false
level = "warning"
[shutdown]
grace_period = "{grace}s"
[[upstreams]]
name = "api"
servers = [{servers}]
concurrency = {{ max_requests = {limit} }}
queue = {{}}
[[upstreams]]
name = "live"
servers = [{servers}]
limit = 20000
[[upstreams]]
name = "broken"
servers = ["http://127.0.0.1:{broken}", "http://127.0.0.1:{port}"]
[[routes]]
path = "/v1"
upstream = "api"
timeouts = {{ idle = "{idle}s" }}
[[routes]]
path = "/broken"
upstream = "broken"
retry = false
[routes.circuit_breaker]
consecutive_failures = 1
base_ejection_time = "1h"
max_ejection_time = "1h"
[[routes]]
upstream = "live"
{more}
"""


@dataclass
class Requests:
    """What became of the requests of one phase."""

    sent: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)


class Load:
    """Clients that keep their connections and ask at a rate, all together."""

    def __init__(self, port: int, clients: int, rate: float) -> None:
        self._port = port
        self._pause = clients / rate
        self.now = Requests()
        self._tasks = [asyncio.create_task(self._client()) for _ in range(clients)]

    async def _client(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        due = time.monotonic()
        while True:
            due = max(due + self._pause, time.monotonic() - 1)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            phase, began = self.now, time.monotonic()
            phase.sent += 1
            try:
                writer.write(GET)
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                assert length is not None
                await reader.readexactly(int(length[1]))
                if not head.startswith(b"HTTP/1.1 200 "):
                    phase.failed[head[:40].decode("latin-1")] += 1
            except (OSError, asyncio.IncompleteReadError) as error:
                phase.failed[type(error).__name__] += 1
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            phase.took.append((time.monotonic() - began) * 1000)

    async def close(self) -> None:
        """Ask no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Proxy:
    """The process under test, and the file that it reads."""

    def __init__(self, path: Path, ports: list[int]) -> None:
        self._path = path
        self._ports = ports
        self.process: asyncio.subprocess.Process
        self.port = self.admin = 0
        self._turns = self._files()

    def _files(self) -> Iterator[str]:
        """Texts of files, each of which changes a route, a server list and a limit."""
        first, second, broken = self._ports
        for number in itertools.count():
            servers = [f'"http://127.0.0.1:{port}"' for port in (first, second)[: 1 + number % 2]]
            more = f'[[routes]]\npath = "/more/{number}"\nupstream = "live"' if number % 3 else ""
            yield TABLES.format(
                grace=GRACE,
                servers=", ".join(servers),
                limit=200 + number % 50,
                broken=broken,
                port=first,
                idle=100 + number,
                more=more,
            )

    async def start(self) -> None:
        """Until it is ready."""
        self._path.write_text(next(self._turns))
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "proxy", "run", str(self._path)),
            stderr=asyncio.subprocess.PIPE,
        )
        assert self.process.stderr is not None
        found = None
        while found is None:
            line = (await self.process.stderr.readline()).decode()
            assert line, "the proxy has not started"
            found = re.search(r"ready http=\S+:(\d+) admin=\S+:(\d+)", line)
        self.port, self.admin = int(found[1]), int(found[2])

    async def reload(self, *, bad: bool = False) -> Any:
        """What the proxy says of the next file, or of one with a mistake."""
        text = next(self._turns)
        self._path.write_text(text.replace("idle =", "idel =") if bad else text)
        return await self.ask("/api/reload", post=True)

    async def ask(self, path: str, *, post: bool = False) -> Any:
        """The admin listener's answer."""
        url = f"http://127.0.0.1:{self.admin}{path}"

        def answer() -> Any:
            request = urllib.request.Request(url, data=b"" if post else None)
            try:
                with urllib.request.urlopen(request, timeout=60) as response:
                    return json.load(response)
            except urllib.error.HTTPError as error:
                return json.load(error)

        return await asyncio.to_thread(answer)


async def phase(
    proxy: Proxy, clients: Clients, load: Load, options: argparse.Namespace, *, reloads: bool
) -> tuple[Requests, list[float], Counter[str]]:
    """A minute of it: requests, delays of events and echoes in ms, what reloads came to."""
    load.now = Requests()
    for delays in clients.delays.values():
        delays.clear()
    told: Counter[str] = Counter()
    began = time.monotonic()
    if not reloads:
        await asyncio.sleep(options.seconds)
    else:
        every = options.seconds / options.reloads
        bad_every = max(1, options.reloads // options.bad) if options.bad else 0
        for number in range(options.reloads):
            if bad_every and number % bad_every == 0:
                answer = await proxy.reload(bad=True)
                told["taken though bad" if answer["reloaded"] else "bad, refused"] += 1
            answer = await proxy.reload()
            told["reloaded" if answer["reloaded"] else f"refused: {answer['problems']}"] += 1
            due = began + (number + 1) * every
            await asyncio.sleep(max(0.0, due - time.monotonic()))
    took = time.monotonic() - began
    delays_ms = [delay for kind in clients.delays.values() for _, delay in kind]
    requests = load.now
    rate = requests.sent / took
    print(
        f"{'with' if reloads else 'without'} reloads, {took:.0f} s: {rate:.0f} requests/s, ", end=""
    )
    print(
        f"p50 {quantile(requests.took, 0.5):.1f} p99 {quantile(requests.took, 0.99):.1f} ms; ",
        end="",
    )
    print(f"{len(delays_ms)} events and echoes, p50 {quantile(delays_ms, 0.5):.1f} ", end="")
    print(f"p99.9 {quantile(delays_ms, 0.999):.1f} worst {max(delays_ms, default=0):.1f} ms")
    return requests, delays_ms, told


async def eject(proxy: Proxy) -> int:
    """Have the broken server ejected; how often it has been."""
    for _ in range(20):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"GET /broken HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            await reader.read()
            writer.close()
        if ejections := await ejected(proxy):
            return ejections
    return 0


async def ejected(proxy: Proxy) -> int:
    """How often the broken server has been ejected, if it is at the moment."""
    breakers = await proxy.ask("/api/breakers")
    return sum(each["ejections"] for each in breakers if each["state"] == "open")


async def settled(pid: int) -> float:
    """The least memory of some seconds: what is free goes back to the system once a second."""
    seen = []
    for _ in range(8):
        await asyncio.sleep(1)
        seen.append(resident(pid))
    return min(seen)


async def measure(proxy: Proxy, options: argparse.Namespace) -> bool:
    """The whole of it. Whether all is as it should be."""
    pid = proxy.process.pid
    clients = Clients(proxy.port)
    makers = [clients.stream] * options.streams + [clients.socket] * options.sockets
    tasks = []
    for maker in makers:
        tasks.append(asyncio.create_task(maker()))
        await asyncio.sleep(0.003)
    while clients.open < len(makers):  # noqa: ASYNC110 - counted in many places
        await asyncio.sleep(0.01)
    load = Load(proxy.port, options.clients, options.rate)
    ejections = await eject(proxy)
    await phase(proxy, clients, load, argparse.Namespace(seconds=5), reloads=False)
    cold = await settled(pid)
    calm, quiet, _ = await phase(proxy, clients, load, options, reloads=False)
    for _ in range(3):  # what is made once, is made now
        await proxy.reload()
    before = await settled(pid)
    busy, late, told = await phase(proxy, clients, load, options, reloads=True)
    after = await settled(pid)
    await load.close()
    now_ejected = await ejected(proxy)
    cut = sum(clients.ends.values())
    limit = max(quiet, default=0.0) + LATE_MS
    too_late = sum(delay > limit for delay in late)
    for what, number in sorted(told.items()):
        print(f"{number:6} {what}")
    print(f"failed requests: {dict(calm.failed)} without, {dict(busy.failed)} with reloads")
    print(f"streams and sockets that ended: {dict(clients.ends)}")
    print(f"events and echoes later than {limit:.0f} ms: {too_late} of {len(late)}")
    print(f"ejections of the broken server: {ejections} before, {now_ejected} after")
    grown = max(0.0, before - cold)  # the history of the last hour fills up
    print(f"memory: {cold:.1f} MiB before the run without reloads, {before:.1f} after it, ", end="")
    print(f"{after:.1f} after the one with reloads")
    proxy.process.send_signal(signal.SIGTERM)
    await asyncio.wait(tasks, timeout=GRACE + 10)
    checks = {
        "no request failed": not busy.failed,
        "nothing was cut": not cut,
        "nothing was late": not too_late,
        "every reload was done": told["reloaded"] == options.reloads,
        "every bad file was refused": not told["taken though bad"],
        "the breaker kept its state": 0 < ejections == now_ejected,
        "memory is back": after - before <= LEFT_MIB + grown,
        "the stop was clean": await proxy.process.wait() == 0,
    }
    for what, fine in checks.items():
        print(f"{'ok  ' if fine else 'FAIL'} {what}")
    return all(checks.values())


async def run(options: argparse.Namespace) -> bool:
    """Start servers and proxy, measure, end them."""
    pipe = asyncio.subprocess.PIPE
    source = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.reload", "--upstream"), stdin=pipe, stdout=pipe
    )
    assert source.stdout is not None
    ports = [int(each) for each in (await source.stdout.readline()).split()]
    with tempfile.TemporaryDirectory() as folder:
        proxy = Proxy(Path(folder, "config.toml"), ports)
        try:
            await proxy.start()
            assert proxy.process.stderr is not None
            said = asyncio.create_task(proxy.process.stderr.read())
            fine = await measure(proxy, options)
            lines = (await said).decode().splitlines()
            odd = [line for line in lines if "exception" in line or "Traceback" in line]
            for line in odd[:5]:
                print(line)
            return fine and not odd
        finally:
            for process in (getattr(proxy, "process", None), source):
                if process is not None and process.returncode is None:
                    process.kill()
                    await process.wait()


def main() -> int:
    """Measure with what the command line says."""
    parser = argparse.ArgumentParser(prog="make reload", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--reloads", type=int, default=200)
    parser.add_argument("--bad", type=int, default=50, help="bad files in between")
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--sockets", type=int, default=500)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument(
        "--rate", type=float, default=2000, help="requests a second, of all clients"
    )
    parser.add_argument("--upstream", action="store_true", help="be the servers")
    parser.add_argument("--pause", action="store_true", help="only how long the loop stands still")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if options.upstream:
        asyncio.run(serve())
        return 0
    if options.pause:
        return pauses()
    print(f"{options.reloads} reloads and {options.bad} bad files in {options.seconds} s;", end=" ")
    print(
        f"{options.streams} streams, {options.sockets} sockets, {options.rate:.0f} requests/s;",
        end=" ",
    )
    print(f"Python {platform.python_version()}")
    return 0 if asyncio.run(run(options)) else 1


if __name__ == "__main__":
    sys.exit(main())
