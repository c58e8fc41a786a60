"""Several workers: what they cost, how even they are, what a death costs, whether restarts leak.

``python -m benchmarks.workers``: three minutes; ``--restarts 50`` for one. Load, API and proxy
share the machine. So processor time per request is measured beside requests a second: two workers
can only do twice as much where four cores are free, one for each and two for load and API.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PATIENCE: Final = 30.0
_CONNECTIONS: Final = 64
_LUA: Final = Path(__file__).parent / "load/clients/wrk.lua"
_TABLES: Final = """
[server]
listen = "127.0.0.1:0"
workers = {workers}
[admin]
listen = "127.0.0.1:0"
[log]
access = false
level = "error"
[[upstreams]]
name = "api"
servers = ["http://127.0.0.1:{port}"]
[[routes]]
upstream = "api"
"""


class Cost(NamedTuple):
    """Of one run of load."""

    rate: float
    """Requests a second."""
    micros: float
    """Processor time of all processes of the proxy for each request."""
    shares: list[int]
    """Requests of each worker; empty with one process."""
    connections: list[int]
    """Connections of each worker while there was load."""


class Proxy:
    """A running proxy."""

    def __init__(self, process: asyncio.subprocess.Process, http: str, admin: str) -> None:
        self.process = process
        self.http, self.admin = (_where(address) for address in (http, admin))

    async def state(self) -> Any:
        """What the admin listener says."""
        reader, writer = await asyncio.open_connection(*self.admin)
        writer.write(b"GET /api/state HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return json.loads(answer.partition(b"\r\n\r\n")[2])

    async def workers(self) -> dict[int, int]:
        """Process ids of those that serve, by number."""
        found = (await self.state())["workers"]
        return {each["worker"]: each["pid"] for each in found if each["state"] == "serving"}

    async def replaced(self, number: int, pid: int) -> dict[int, int]:
        """The workers as soon as one has another process."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                found = await self.workers()
                if found.get(number, pid) != pid and len(found) == 2:
                    return found
                await asyncio.sleep(0.01)

    def family(self) -> list[int]:
        """Its process and all that descend from it."""
        children: dict[int, list[int]] = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError, IndexError):
                    children.setdefault(int(_stat(int(entry))[1]), []).append(int(entry))
        found = [self.process.pid]
        for pid in found:
            found += children.get(pid, [])
        return found

    def processor(self) -> float:
        """Seconds of processor time of all of them."""
        spent = (_stat(pid) for pid in self.family())
        return sum(int(fields[11]) + int(fields[12]) for fields in spent) / _TICKS


def _where(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


@contextlib.asynccontextmanager
async def _upstream() -> AsyncIterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    command = (sys.executable, "-m", "benchmarks.load.servers.upstream", str(port))
    process = await asyncio.create_subprocess_exec(*command)
    try:
        yield port
    finally:
        process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def _proxy(folder: Path, port: int, workers: int) -> AsyncIterator[Proxy]:
    file = folder / "config.toml"
    file.write_text(_TABLES.format(workers=workers, port=port))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy", "run", str(file), stderr=subprocess.PIPE, limit=1 << 20
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(_PATIENCE):
            while not (line := (await process.stderr.readline()).decode()).startswith("ready"):
                pass
        reading = asyncio.create_task(process.stderr.read())
        http, admin = (part.partition("=")[2] for part in line.split()[1:])
        yield Proxy(process, http, admin)
        process.send_signal(signal.SIGTERM)
        await reading
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _load(proxy: Proxy, seconds: int) -> Cost:
    before = proxy.processor()
    command = ("wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{seconds}s", "-s", str(_LUA))
    target = f"http://{proxy.http[0]}:{proxy.http[1]}/small"
    process = await asyncio.create_subprocess_exec(
        *command, target, "--", "0", stdout=subprocess.PIPE
    )
    await asyncio.sleep(seconds / 2)
    connections = [each["connections"] for each in (await proxy.state())["workers"]]
    said, _ = await process.communicate()
    found = json.loads(said.decode().strip().splitlines()[-1])
    rate = found["requests"] / found["seconds"]
    spent = proxy.processor() - before
    await asyncio.sleep(1.5)  # until the workers have told of the last second
    shares = [each["requests"] for each in (await proxy.state())["workers"]]
    return Cost(rate, spent / (rate * seconds) * 1e6, shares, connections)


async def costs(folder: Path, port: int, seconds: int, rounds: int) -> None:
    """One process and two workers, alternating."""
    runs: dict[int, list[Cost]] = {1: [], 2: []}
    for _ in range(rounds):
        for workers, known in runs.items():
            async with _proxy(folder, port, workers) as proxy:
                known.append(await _load(proxy, seconds))
    one, two = (_median(runs[workers]) for workers in (1, 2))
    print(f"small GET, {_CONNECTIONS} connections, {len(os.sched_getaffinity(0))} cores")
    print(f"  one process: {one.rate:,.0f} requests/s, {one.micros:.1f} us of processor each")
    print(f"  two workers: {two.rate:,.0f} requests/s, {two.micros:.1f} us of processor each")
    print(f"  two / one: {two.rate / one.rate:.2f} measured on this machine")
    print(f"  two / one: {2 * one.micros / two.micros:.2f} by processor time, if no core is shared")
    print("  connections and requests of the busier worker, to those of the other, in each run:")
    for run in runs[2]:
        print(f"    {_ratio(run.connections):.2f}, {_ratio(run.shares):.2f}")


def _ratio(numbers: list[int]) -> float:
    return max(numbers) / max(1, min(numbers))


def _median(runs: list[Cost]) -> Cost:
    return sorted(runs, key=lambda run: run.micros)[len(runs) // 2]


class Client:
    """Asks again and again over connections that it keeps, and notes what fails."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self.answered = self.failed = 0
        self.slowest = 0.0
        """Seconds from a connect to its first answer."""

    async def run(self, end: asyncio.Event) -> None:
        """Until ``end``."""
        while not end.is_set():
            begun = time.monotonic()
            reader, writer = await asyncio.open_connection(*self._address)
            try:
                for turn in range(20):
                    writer.write(b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n")
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = int(head.lower().partition(b"content-length:")[2].split()[0])
                    await reader.readexactly(length)
                    self.answered += 1
                    if not turn:
                        self.slowest = max(self.slowest, time.monotonic() - begun)
                    if b"\r\nconnection: close" in head.lower() or end.is_set():
                        break
            except (OSError, asyncio.IncompleteReadError):
                self.failed += 1
            finally:
                writer.close()


async def deaths(folder: Path, port: int, number: int) -> None:
    """kill -9 of a worker under load, again and again."""
    async with _proxy(folder, port, 2) as proxy:
        end = asyncio.Event()
        clients = [Client(proxy.http) for _ in range(_CONNECTIONS // 4)]
        times = []
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(client.run(end))
            pids = await proxy.workers()
            for turn in range(number):
                await asyncio.sleep(4.0)  # more than three deaths in 10 s are made to wait
                slot = turn % 2
                begun = time.monotonic()
                os.kill(pids[slot], signal.SIGKILL)
                pids = await proxy.replaced(slot, pids[slot])
                times.append((time.monotonic() - begun) * 1000)
            end.set()
        failed = sum(client.failed for client in clients)
        print(f"kill -9 of a worker, {number} times, {len(clients)} clients under way")
        print(f"  requests answered {sum(client.answered for client in clients):,}, cut {failed}")
        print(f"  at most in flight at the dead workers: {number * (len(clients) // 2 + 1)}")
        print(f"  the next one serves after {max(times):.0f} ms at the worst")
        slowest = max(client.slowest for client in clients) * 1000
        print(f"  slowest first answer of a new connection: {slowest:.0f} ms")


async def restarts(folder: Path, port: int, number: int) -> None:
    """Replace workers by SIGTERM; what the parent and its helper hold before and after."""
    async with _proxy(folder, port, 2) as proxy:
        pids = await proxy.workers()
        before: Sequence[float] = ()
        for turn in range(number):
            if turn == min(20, number // 2):
                before = await _held(proxy)
            slot = turn % 2
            os.kill(pids[slot], signal.SIGTERM)
            pids = await proxy.replaced(slot, pids[slot])
        after = await _held(proxy)
        print(f"{number} restarts: processes, descriptors and MiB of parent and nursery")
        for name, held in (("before", before), ("after", after)):
            print(f"  {name}: " + ", ".join(f"{each:g}" for each in held))


async def _held(proxy: Proxy) -> list[float]:
    """Processes; descriptors and MiB of the parent, and of the nursery."""
    async with asyncio.timeout(_PATIENCE):
        while True:
            family = proxy.family()
            if len(family) == 4:
                return [float(len(family)), *_sizes(family[0]), *_sizes(family[1])]
            await asyncio.sleep(0.05)


def _sizes(pid: int) -> tuple[float, float]:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return len(os.listdir(f"/proc/{pid}/fd")), round(pages * 4 / 1024, 1)


async def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="of one run of load")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each")
    parser.add_argument("--deaths", type=int, default=10)
    parser.add_argument("--restarts", type=int, default=1000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="workers-") as name:
        async with _upstream() as port:
            await asyncio.sleep(1.0)
            if asked.rounds:
                await costs(Path(name), port, asked.seconds, asked.rounds)
            if asked.deaths:
                await deaths(Path(name), port, asked.deaths)
            if asked.restarts:
                await restarts(Path(name), port, asked.restarts)


if __name__ == "__main__":
    asyncio.run(main())
