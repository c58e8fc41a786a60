"""Load for the demo, and troubles that are brought in turn, each said as it begins."""

import asyncio
import contextlib
import itertools
import random
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final, NamedTuple

import aiohttp

from proxy.demo.deaf import DeafServer

CONFIG: Final = """\
[server]
listen = {listen}

[admin]
listen = {admin}

[log]
access = false
format = "console"
level = "warning"

[timeouts]
connect = "3s"

[retry]
attempts = 3
backoff_base = "300ms"

[[upstreams]]
name = "api"
servers = ["{api}"]

[[upstreams]]
name = "reports"
servers = ["{api}"]
[upstreams.concurrency]
max_requests = 3
[upstreams.queue]
size = 100

[[upstreams]]
name = "billing"
servers = ["{deaf}"]

[[routes]]
path = "/"
upstream = "api"

[[routes]]
path = "/reports"
upstream = "reports"
strip_prefix = "/reports"

[[routes]]
path = "/billing"
upstream = "billing"

[[routes]]
path = "/quota"
upstream = "api"
strip_prefix = "/quota"
[routes.rate_limit]
average = 2
burst = 2
"""
"""The proxy of the demo: an API, one of its parts with few permits, and one that goes deaf."""

QUIET: Final = 8.0
"""Seconds between two troubles."""
LASTS: Final = 8.0
"""Seconds of one."""

Ask = Callable[[str], Awaitable[None]]


class Trouble(NamedTuple):
    """One that is brought."""

    cause: str
    """What the page calls it."""
    says: str
    path: str
    """What is asked for while it lasts."""
    at_a_time: int


TROUBLES: Final = (
    Trouble("first_byte", "a stall: the API thinks for 4 s", "/slow?seconds=4", 6),
    Trouble("queue", "an overload: 12 at once where 3 may", "/reports/slow?seconds=0.7", 12),
    Trouble("connect", "an outage: the server of /billing takes no connections", "/billing", 4),
    Trouble("body", "a body that only drips", "/drip?seconds=4", 4),
    Trouble("retries", "a server that fails every other time", "/flaky", 6),
    Trouble("client", "clients that do not take their replies", "/bytes/64MiB", 3),
    Trouble("answer", "an API that answers 500", "/status/500", 3),
    Trouble("quota", "a client over its quota", "/quota/slow?seconds=0", 4),
)
_USUAL: Final = (
    "/slow?seconds=0.02",
    "/slow?seconds=0.08",
    "/bytes/64KiB",
    "/headers",
    "/reports/slow?seconds=0.05",
    "/billing",
    "/drip?seconds=0.05",
)


class Traffic:
    """Asks a proxy for things."""

    def __init__(self, proxy: str, deaf: DeafServer, rng: random.Random) -> None:
        """``proxy``: HOST:PORT."""
        self._proxy = proxy
        self._deaf = deaf
        self._rng = rng

    async def usual(self, at_a_time: int = 4) -> None:
        """A little of everything, for ever."""
        async with aiohttp.ClientSession() as session:

            async def caller() -> None:
                while True:
                    await self._ask(session, self._rng.choice(_USUAL))
                    await asyncio.sleep(self._rng.uniform(0.02, 0.12))

            async with asyncio.TaskGroup() as group:
                for _ in range(at_a_time):
                    group.create_task(caller())

    @contextlib.asynccontextmanager
    async def trouble(self, trouble: Trouble) -> AsyncIterator[None]:
        """Brought for the length of an ``async with`` block."""
        if trouble.cause == "connect":
            await asyncio.to_thread(self._deaf.go_deaf)
        asking = asyncio.gather(*(self._again(trouble) for _ in range(trouble.at_a_time)))
        try:
            yield
        finally:
            if trouble.cause == "connect":
                self._deaf.hear()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def _again(self, trouble: Trouble) -> None:
        if trouble.cause == "client":
            await self._sit(trouble.path)
            return
        async with aiohttp.ClientSession() as session:
            while True:
                await self._ask(session, trouble.path)
                await asyncio.sleep(0.2)

    async def _ask(self, session: aiohttp.ClientSession, path: str) -> None:
        with contextlib.suppress(aiohttp.ClientError, OSError):
            async with session.get(f"http://{self._proxy}{path}") as answer:
                await answer.read()

    async def _sit(self, path: str) -> None:
        """Ask, and take nothing of the reply."""
        host, _, port = self._proxy.rpartition(":")
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            with contextlib.suppress(OSError):
                await loop.sock_connect(client, (host.strip("[]"), int(port)))
                head = f"GET {path} HTTP/1.1\r\nHost: {self._proxy}\r\n\r\n"
                await loop.sock_sendall(client, head.encode())
            await loop.create_future()


async def drive(traffic: Traffic, say: Callable[[str], None]) -> None:
    """The usual load, and one trouble after the other, for ever."""
    usual = asyncio.ensure_future(traffic.usual())
    try:
        await asyncio.sleep(QUIET)
        for trouble in itertools.cycle(TROUBLES):
            name = trouble.cause.replace("_", " ")
            say(f"now: {trouble.says}; the page says: {name}")
            async with traffic.trouble(trouble):
                await asyncio.sleep(LASTS)
            say("over")
            await asyncio.sleep(QUIET)
    finally:
        usual.cancel()
        await asyncio.gather(usual, return_exceptions=True)


@contextlib.contextmanager
def driven(traffic: Traffic, say: Callable[[str], None]) -> Iterator[None]:
    """The same in a thread, for the length of a ``with`` block."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(drive(traffic, say))

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    thread = threading.Thread(target=run, daemon=True, name="demo-traffic")
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
