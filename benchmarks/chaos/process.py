"""The processes: the proxy, looked at from outside, and servers that are stopped and killed."""

import asyncio
import contextlib
import json
import random
import re
import resource
import signal
import socket
import sys
import urllib.request
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError

from benchmarks.chaos.client import Door
from benchmarks.chaos.config import config
from benchmarks.chaos.open_files import open_files, told

_START: Final = 60.0
"""Seconds in which a process has to be ready, on a busy machine."""


def lasting_port() -> int:
    """A free one that the kernel gives to no outgoing connection while nobody listens there."""
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(10_000, max(low, 11_000))
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Server:
    """A server of the API, always on the same port."""

    def __init__(self, seed: int, number: int, folder: Path) -> None:
        self.port = lasting_port()
        self.ledger = folder / f"ledger-{number}"
        self._errors = folder / f"server-{number}"
        self.unix = folder / f"socket-{number}"
        words = (seed, number, self.port, self.ledger, self.unix)
        self._words = [str(word) for word in words]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Until it listens."""
        pipe = asyncio.subprocess.PIPE
        with self._errors.open("a") as errors:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "benchmarks.chaos.server", *self._words),
                stdin=pipe,
                stdout=pipe,
                stderr=errors,
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(_START):
            if await self._process.stdout.readline() != b"ready\n":
                raise RuntimeError(f"a server did not start: {self._errors.read_text()[-2000:]}")

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP, SIGCONT or SIGKILL."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def kill(self) -> None:
        """Also one that is stopped."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


def _resident(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", text)
    return int(found[1]) / 1024 if found else 0.0


class Proxy:
    """The proxy under test."""

    def __init__(self, folder: Path, workers: int = 1) -> None:
        self._folder = folder
        self._workers = workers
        self.text = ""
        """The configuration that it began with."""
        self._process: asyncio.subprocess.Process
        self._unix = str(folder / "proxy")
        self.door = Door(0)
        self._admin = ""
        self._soft = 0

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs."""
        return self._process.returncode

    async def start(self, servers: list[Server]) -> None:
        """Until it is ready."""
        ports = [server.port for server in servers]
        self.text = config(ports, str(servers[0].unix), self._unix, self._workers)
        self._file.write_text(self.text)
        with (self._folder / "access").open("w") as access, self._errors.open("w") as errors:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *(
                    "-m",
                    "benchmarks.chaos.inside",
                    str(self._folder / "inside"),
                    "run",
                    str(self._file),
                ),
                stdout=access,
                stderr=errors,
            )
        async with asyncio.timeout(_START):
            while not (
                ready := re.search(r"^ready http=[^\s,]+:(\d+)\S* admin=(\S+)", self.said(), re.M)
            ):
                if self._process.returncode is not None:
                    raise RuntimeError(f"the proxy did not start: {self.said()[-2000:]}")
                await asyncio.sleep(0.05)
        self.door, self._admin = Door(int(ready[1]), self._unix), ready[2]
        self._soft, _ = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)

    @property
    def _file(self) -> Path:
        return self._folder / "config.toml"

    def reload(self, text: str) -> dict[str, Any]:
        """What it says of another configuration. Raises OSError where it does not answer."""
        self._file.write_text(text)
        request = urllib.request.Request(f"http://{self._admin}/api/reload", data=b"")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                told: dict[str, Any] = json.load(answer)
        except HTTPError as error:
            told = json.load(error)
        return told

    @property
    def _pids(self) -> list[int]:
        """Of the process, and of those that it has started."""
        found = [self.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
                found += map(int, text.split())
        return found

    @property
    def _errors(self) -> Path:
        return self._folder / "errors"

    def said(self) -> str:
        """All of its standard error."""
        return self._errors.read_text(errors="replace")

    def log(self) -> list[dict[str, Any]]:
        """All lines of its access log."""
        text = (self._folder / "access").read_text(errors="replace")
        return [json.loads(line) for line in text.splitlines()]

    def state(self) -> dict[str, Any]:
        """What it tells operators."""
        with urllib.request.urlopen(f"http://{self._admin}/api/state", timeout=30) as answer:
            state: dict[str, Any] = json.load(answer)
        return state

    def tasks(self, *, collect: bool = False) -> dict[str, int]:
        """Its tasks by name, after a full collection where that is asked for.

        Those of workers are not counted: the thread that counts does not outlive a fork.
        """
        if self._workers > 1:
            return {}
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(60)
            asking.connect(str(self._folder / "inside"))
            asking.sendall(b"collect" if collect else b"tasks")
            names: dict[str, int] = json.loads(asking.makefile().readline())["names"]
        return names

    def descriptors(self) -> list[str]:
        """What its descriptors point to."""
        return [each for pid in self._pids for each in open_files(pid)]

    def told_files(self) -> list[str]:
        """The same, each socket with its two ends."""
        return [each for pid in self._pids for each in told(pid)]

    def resident(self) -> float:
        """MiB of memory."""
        return sum(map(_resident, self._pids))

    def limit_descriptors(self, more: int | None) -> None:
        """So many more than it has now; None for as many as at the start."""
        # With workers it is they that have none: their parent serves no requests.
        for pid in self._pids if self._workers == 1 else self._pids[2:]:
            _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            soft = self._soft if more is None else len(open_files(pid)) + more
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (min(soft, hard), hard))

    async def stop(self) -> int:
        """SIGTERM, then what it exits with."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(_START):
            return await self._process.wait()

    async def kill(self) -> None:
        """Whatever it does."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
