"""The way to one server: connections that rest, those in use, and how many there may be."""

import asyncio
import time

from aiohttp import (
    BaseConnector,
    ClientRequest,
    ClientTimeout,
)

from proxy.core.errors import ConnectionLimit
from proxy.http.logins import Ties
from proxy.policy.idle_limit import Ends
from proxy.upstream.connection import Line
from proxy.upstream.http1.protocol import UpstreamProtocol
from proxy.upstream.names import Names
from proxy.upstream.unreachable import Unreachable


class Gateway:
    """The way to one server: the connector that makes connections, those that rest, the limit.

    Connections are made and closed by aiohttp's connector; between two attempts they rest here,
    the one used last being the first to be used again. The connector's own pool costs a coroutine,
    a key and a Connection for each use (``docs/decisions/0006``).
    """

    __slots__ = (
        "_closed",
        "_connector",
        "_ends",
        "_keepalive",
        "_listed",
        "_max_age",
        "_permits",
        "_resolver",
        "_resting",
        "_template",
        "_unreachable",
        "ageing",
        "connections",
        "tls",
        "wary",
    )

    def __init__(
        self,
        connector: BaseConnector,
        template: ClientRequest,
        resolver: Names,
        *,
        keepalive: float,
        limit: int,
        max_age: float = 0.0,
        name: str = "",
    ) -> None:
        """Seconds that a connection may rest, connections at a time, seconds that one may be used.

        Zero is no limit.
        """
        self._connector = connector
        self._template = template
        self._resolver = resolver
        self._keepalive = keepalive
        self._permits = asyncio.Semaphore(limit) if limit else None
        self._resting: dict[Line, None] = {}
        self._max_age = max_age
        self._closed = False
        self._unreachable = Unreachable(template, name)
        self.tls = template.is_ssl()
        self.ageing = bool(max_age) or not keepalive
        """Whether a connection that still works may have to go."""
        self.connections = 0
        """Open ones, in use or resting."""
        self._ends = Ends()
        self._listed: frozenset[str] = frozenset()
        self.wary = False
        """Whether it has closed connections that rested."""

    def retired(self, line: Line) -> bool:
        """Whether it takes no further request; one with a login may rest all the same."""
        if self._closed or not (self._keepalive or line.owner) or self._moved(line):
            return True
        return bool(self._max_age) and time.monotonic() - line.born >= self._max_age

    def _moved(self, line: Line) -> bool:
        """Whether the name does not stand any more for the address that it goes to."""
        return bool(self._listed) and line.address not in self._listed

    def follow(self, listed: frozenset[str]) -> None:
        """The name stands for these addresses: what goes elsewhere rests no more."""
        if listed == self._listed:
            return
        self.ageing = self.ageing or bool(self._listed)  # what is in use may have to go as well
        self._listed = listed
        for line in [line for line in self._resting if self._moved(line)]:
            del self._resting[line]
            line.drop()

    def reopen(self) -> None:
        """Its address is back."""
        self._closed = False
        self.ageing = bool(self._max_age) or not self._keepalive or bool(self._listed)

    def close(self) -> None:
        """Nobody comes here any more: close what rests, and what is in use when it is done."""
        self._closed = self.ageing = True
        while self._resting:
            self._resting.popitem()[0].drop()

    def rested(self) -> Line | None:
        """A connection that rested, where one is to be had without waiting."""
        return self._rested() if self._permits is None else None

    async def own(self, ties: Ties, clock: ClientTimeout) -> Line | None:
        """The connection that belongs to a client, where it has one that still stands.

        Raises ConnectionLimit.
        """
        found = ties.held.get(self)
        if found is None:
            return None
        if self._permits is not None:
            await self._enter(self._permits, clock)
            if ties.held.get(self) is not found:  # it ended during the wait
                self.leave()
                return None
        line = ties.held.pop(self)[1]
        assert isinstance(line, Line)
        if line.protocol.take() and not (self.ageing and self.retired(line)):
            return line
        line.discard()
        return None

    async def line(self, clock: ClientTimeout) -> Line:
        """A connection that rested, or a new one. Raises ConnectError or ConnectionLimit."""
        if self._permits is not None:
            await self._enter(self._permits, clock)
        if (line := self._rested()) is not None:
            return line
        try:
            return await self._made(clock)
        except BaseException:
            self.leave()
            raise

    def left(self, line: Line) -> None:
        """The server closed one that rested; for how long it had is a hint when it does so."""
        self._ends.observe(*line.protocol.rested())
        self.wary = True

    def fresh(self, line: Line) -> bool:
        """Whether one that rests no more is likely to last for a request that has one try only.

        Where it is not, it is closed; another one has rested for longer still.
        """
        rest, now = line.protocol.rested()
        self.wary = self._ends.known(now)
        if rest < self._ends.shortest(now):
            return True
        line.discard()
        return False

    def _rested(self) -> Line | None:
        resting = self._resting
        while resting:
            line = resting.popitem()[0]
            if line.protocol.take() and not (self.ageing and self.retired(line)):
                return line
            if not self._closed and line.protocol.left_by_peer:
                self.left(line)
            line.drop()
        return None

    async def _enter(self, permits: asyncio.Semaphore, clock: ClientTimeout) -> None:
        try:
            async with asyncio.timeout(clock.connect):
                await permits.acquire()
        except TimeoutError:
            within = f"within connect of {clock.connect:g} s"
            name = self._unreachable.name
            raise ConnectionLimit(f"no connection to {name} became free {within}") from None

    async def _made(self, clock: ClientTimeout) -> Line:
        try:
            connection = await self._connector.connect(self._template, [], clock)
        except Exception as error:
            looking_up = self._template.host in self._resolver.pending
            patience = clock.connect or 0.0
            why = await self._unreachable.why(error, looking_up=looking_up, patience=patience)
            raise why from None
        protocol = connection.protocol
        assert isinstance(protocol, UpstreamProtocol)
        protocol.take()
        self.connections += 1
        if listed := self._resolver.stands_for(self._template.host):
            self.follow(listed)
        return Line(connection, protocol, self)

    def rest(self, line: Line) -> None:
        """Keep it for the next attempt, ``keepalive_timeout`` at most."""
        line.protocol.rest(self._keepalive)
        self._resting[line] = None
        if self._permits is not None:
            self._permits.release()

    def forget(self, line: Line) -> bool:
        """It has ended; whether it was resting."""
        found = self._resting.pop(line, self) is None
        if found and line.protocol.left_by_peer:
            self.left(line)
        return found

    def leave(self) -> None:
        """An attempt has no use for its connection any more."""
        if self._permits is not None:
            self._permits.release()
