"""Clients of a proxy: requests at seeded moments, whatever became of those before."""

import asyncio
import random
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.badday.answer import ID, Answer, Outcome

RATE: Final = 150.0
"""Requests a second."""
PATIENCE: Final = 3.0
_POSTS: Final = 0.2
_DOCUMENT: Final = b"x" * 1024


@dataclass(frozen=True, slots=True)
class Order:
    """A request, and the second of the day at which it is sent."""

    due: float
    method: str
    name: str


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one."""

    due: float
    taken: float
    """Seconds from when it was due to its outcome."""
    outcome: Outcome
    status: int = 0


def orders(seed: int, seconds: float) -> list[Order]:
    """A day's requests: a Poisson process."""
    rng = random.Random(f"{seed} client")
    found: list[Order] = []
    due = 0.0
    while (due := due + rng.expovariate(RATE)) < seconds:
        method = "POST" if rng.random() < _POSTS else "GET"
        found.append(Order(due, method, f"{seed}-{len(found)}"))
    return found


async def spend(port: int, day: list[Order]) -> list[Record]:
    """Send all of them to the proxy there; over ``PATIENCE`` seconds after the last."""
    pool = Pool(port)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        async with asyncio.TaskGroup() as group:
            tasks = []
            for order in day:
                await asyncio.sleep(begun + order.due - loop.time())
                tasks.append(group.create_task(pool.ask(order, begun + order.due)))
    finally:
        pool.close()
    return [task.result() for task in tasks]


class Pool:
    """Connections to the proxy that are kept for the next request."""

    __slots__ = ("_idle", "_port")

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Connection] = []

    async def ask(self, order: Order, due: float) -> Record:
        """One request, due at that time of the loop."""
        loop = asyncio.get_running_loop()
        answer = Answer(order.name)
        connection: Connection | None = None
        try:
            async with asyncio.timeout_at(due + PATIENCE):
                connection = await self._taken()
                outcome = await connection.ask(_request(order), answer)
        except TimeoutError:
            outcome = Outcome.LATE
        except OSError:
            outcome = Outcome.REFUSED
        if outcome is Outcome.PASSED and order.method != "POST":
            outcome = Outcome.STATUS  # it could have been asked for again
        taken = loop.time() - due
        if connection is not None:
            if answer.reusable:
                self._idle.append(connection)
            else:
                connection.close()
        return Record(order.due, taken, outcome, answer.status)

    def close(self) -> None:
        """Close what is idle."""
        for connection in self._idle:
            connection.close()

    async def _taken(self) -> "Connection":
        while self._idle:
            connection = self._idle.pop()
            if not connection.lost:
                return connection
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, "127.0.0.1", self._port)
        return connection


class Connection(asyncio.Protocol):
    """One connection to the proxy."""

    __slots__ = ("_answer", "_outcome", "_transport", "lost")

    def __init__(self) -> None:
        self.lost = False
        self._answer: Answer | None = None
        self._outcome: asyncio.Future[Outcome] | None = None
        self._transport: Any = None

    async def ask(self, request: bytes, answer: Answer) -> Outcome:
        """Send it and wait for its answer, however that ends."""
        self._answer = answer
        self._outcome = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._outcome

    def close(self) -> None:
        """At once."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready to ask."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """An answer, or a piece of one; what nobody asked for ends the connection."""
        if self._answer is None:
            self.close()
        elif outcome := self._answer.feed(data):
            self._settle(outcome)

    def connection_lost(self, error: Exception | None) -> None:
        """Closed by the proxy, reset, or closed here."""
        self.lost = True
        if self._answer is not None:
            self._settle(self._answer.ended(clean=error is None))

    def _settle(self, outcome: Outcome) -> None:
        self._answer = None
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(outcome)


def _request(order: Order) -> bytes:
    document = _DOCUMENT if order.method == "POST" else b""
    length = f"Content-Length: {len(document)}\r\n" if document else ""
    head = f"{order.method} /v1/items HTTP/1.1\r\nHost: api.test\r\n{ID}: {order.name}\r\n{length}"
    return f"{head}\r\n".encode() + document
