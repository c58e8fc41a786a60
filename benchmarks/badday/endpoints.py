"""The endpoints of a day: ``PROFILE SEED SECONDS PORT [PORT ...]``.

The day begins with the first request that bears an id. ``GET /small`` is answered at any time
without a fault, ``GET /ledger`` with what was executed.
"""

import asyncio
import json
import random
import socket
import struct
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Self

from benchmarks.badday.answer import ID, SUM, total
from benchmarks.badday.profile import PROFILES, Profile
from benchmarks.badday.schedule import Fate, Kind, Schedule
from benchmarks.load.servers.upstream import SMALL

_END: Final = b"\r\n\r\n"
_RESET: Final = struct.pack("ii", 1, 0)
# A peer that sees half a body and a reset at the same time may never look at the half.
_APART: Final = 0.01
_LETTERS: Final = "".join(random.Random(0).choices("abcdefghijklmnopqrstuvwxyz", k=40 << 10))


class Entry(NamedTuple):
    """A request that was executed: read as a whole, whatever the answer was then."""

    endpoint: int
    method: str
    name: str
    when: float
    """Seconds into the day."""


class Request(NamedTuple):
    """One that has been read."""

    method: str
    path: str
    name: str
    close: bool

    @classmethod
    def cut_from(cls, data: bytes) -> tuple[Self, bytes] | None:
        """The first one and the rest; None as long as it is not whole. Bodies have a length."""
        head, end, rest = data.partition(_END)
        if not end:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, version = first.split()
        pairs = (line.partition(":") for line in lines)
        fields = {name.lower(): value.strip() for name, _, value in pairs}
        length = int(fields.get("content-length", "0"))
        if len(rest) < length:
            return None
        close = version == "HTTP/1.0" or fields.get("connection", "").lower() == "close"
        return cls(method, path, fields.get(ID.lower(), ""), close), rest[length:]


class Day:
    """The clock and the ledger that the endpoints share."""

    __slots__ = ("_begun", "begun", "entries", "times")

    def __init__(self) -> None:
        self._begun = 0.0
        self.begun = asyncio.Event()
        self.entries: list[Entry] = []
        self.times: Counter[str] = Counter()

    def now(self) -> float:
        """Seconds since it began, which the first call makes it do."""
        loop = asyncio.get_running_loop()
        if not self.begun.is_set():
            self._begun = loop.time()
            self.begun.set()
        return loop.time() - self._begun

    async def until(self, when: float) -> None:
        """Wait for that second."""
        await self.begun.wait()
        await asyncio.sleep(when - self.now())


class Endpoint:
    """One address of the API."""

    def __init__(self, number: int, port: int, profile: Profile, seed: int, day: Day) -> None:
        self.day = day
        self.number = number
        self.in_flight = 0
        self.connections: set[Connection] = set()
        self._profile = profile
        self._schedule = Schedule(profile, seed, number)
        self._port = port
        # Keeps the port while the endpoint is down: no outgoing connection may come to use it.
        self._holder = _bound(port)

    async def run(self) -> None:
        """Serve, but for the time of being down."""
        server = await self._listening()
        stretch = self._profile.down
        if stretch and self.number in stretch.endpoints:
            await self.day.until(stretch.begins)
            server.close()
            for connection in list(self.connections):
                connection.reset()
            await self.day.until(stretch.ends)
            server = await self._listening()
        await server.serve_forever()

    async def _listening(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: Connection(self), sock=_bound(self._port))

    def deaf(self) -> bool:
        """Whether nothing gets through."""
        stretch = self._profile.partition
        return (
            stretch is not None
            and self.day.begun.is_set()
            and stretch.covers(self.number, self.day.now())
        )

    def executed(self, request: Request) -> Fate:
        """Write it down, and say how it is answered."""
        day, now = self.day, self.day.now()
        day.entries.append(Entry(self.number, request.method, request.name, now))
        day.times[request.name] += 1
        before = day.times[request.name] - 1
        return self._schedule.fate(request.name, before, now, self.in_flight)


class Connection(asyncio.Protocol):
    """One connection of a proxy."""

    __slots__ = ("_close", "_data", "_deaf", "_endpoint", "_timer", "_transport")

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._data = b""
        self._close = False
        self._deaf = False
        self._timer: asyncio.TimerHandle | None = None
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A proxy connects."""
        self._transport = transport
        self._endpoint.connections.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        """It is gone, and with it what it waited for."""
        self._endpoint.connections.discard(self)
        self._idle()

    def data_received(self, data: bytes) -> None:
        """A request, or a piece of one."""
        # What is lost once is missing for good: such a connection never speaks again.
        self._deaf = self._deaf or self._endpoint.deaf()
        if not self._deaf:
            self._data += data
            self._next()

    def reset(self) -> None:
        """End it with a RST."""
        if self._transport.is_closing():
            return
        self._transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _RESET
        )
        self._transport.abort()

    def _next(self) -> None:
        if self._timer is not None or not (found := Request.cut_from(self._data)):
            return
        request, self._data = found
        self._close = request.close
        if request.path == "/small":
            self._whole(_reply("200 OK", SMALL))
        elif request.path == "/ledger":
            self._whole(_reply("200 OK", json.dumps(self._endpoint.day.entries).encode()))
        else:
            fate = self._endpoint.executed(request)
            self._endpoint.in_flight += 1
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(fate.wait, self._answer, fate, request.name)

    def _idle(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._endpoint.in_flight -= 1

    def _answer(self, fate: Fate, name: str) -> None:
        self._idle()
        if self._deaf or self._endpoint.deaf():
            self._deaf = True
            return
        body = _body(name, fate.size)
        reply = _reply("200 OK", body)
        half = reply[: len(reply) - len(body) // 2]
        match fate.kind:
            case Kind.WHOLE:
                self._whole(reply)
            case Kind.RESET:
                self.reset()
            case Kind.CUT_FIN:
                self._transport.write(half)
                self._transport.close()
            case Kind.CUT_RST:
                self._transport.write(half)
                asyncio.get_running_loop().call_later(_APART, self.reset)
            case Kind.UNAVAILABLE:
                self._whole(_reply("503 Service Unavailable", b"{}"))
            case Kind.RETRY_AFTER:
                self._whole(_reply("503 Service Unavailable", b"{}", "Retry-After: 1\r\n"))

    def _whole(self, reply: bytes) -> None:
        self._transport.write(reply)
        if self._close:
            self._transport.close()
        else:
            self._next()


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def _body(name: str, size: int) -> bytes:
    head = f'{{"id": "{name}", "text": "'
    start = size % 997  # two bodies of nearly one size still differ
    return (head + _LETTERS[start : start + size - len(head) - 2] + '"}').encode()


def _reply(status: str, body: bytes, more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
        f"{SUM}: {total(body)}\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def main(words: Sequence[str]) -> None:
    """Serve until ended from outside."""
    name, seed, seconds, *ports = words
    profile = PROFILES[name].lasting(float(seconds))
    day = Day()
    async with asyncio.TaskGroup() as group:
        for number, port in enumerate(ports):
            group.create_task(Endpoint(number, int(port), profile, int(seed), day).run())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
