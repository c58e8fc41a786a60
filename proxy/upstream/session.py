"""One ClientSession for all upstreams, and the connections that come out of it."""

import asyncio
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from aiohttp import (
    BaseConnector,
    ClientRequest,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ThreadedResolver,
    UnixConnector,
)
from aiohttp.connector import Connection

from proxy.core.errors import ConnectionLimit
from proxy.core.logins import Ties
from proxy.policy.ends import Ends
from proxy.upstream.connector import Connector, WatchedResolver, install
from proxy.upstream.unreachable import Unreachable
from proxy.upstream.wire import UpstreamProtocol

_DNS_TTL: Final = 10


class Line:
    """A connection to a server: in use by one attempt, or resting."""

    __slots__ = ("_connection", "_gateway", "born", "owner", "protocol")

    def __init__(
        self, connection: Connection, protocol: UpstreamProtocol, gateway: "Gateway"
    ) -> None:
        self._connection = connection
        self._gateway = gateway
        self.born = time.monotonic()
        self.owner: tuple[Ties, str] | None = None
        """The client that alone may use it, and the name of its server, see ``core/logins``."""
        self.protocol = protocol
        protocol.lost = self._lost

    def bind(self, ties: Ties | None, server: str) -> None:
        """Somebody logs in on it: from now on it belongs to that client, and is closed with it."""
        if ties is None:  # a health check's
            self.protocol.force_close()
        else:
            self.owner = (ties, server)

    def release(self) -> None:
        """Let it rest, where nothing speaks against another use."""
        protocol = self.protocol
        if protocol.should_close or (self._gateway.ageing and self._gateway.retired(self)):
            self.discard()
        elif self.owner is not None:
            self._wait_for(*self.owner)
        else:
            self._gateway.rest(self)

    def _wait_for(self, ties: Ties, server: str) -> None:
        """Rest until the client that it belongs to asks again or goes."""
        if ties.closed or self._gateway in ties.held:
            self.discard()
            return
        self.protocol.rest(0)
        ties.held[self._gateway] = (server, self)
        self._gateway.leave()

    def discard(self) -> None:
        """Close at once; the upstream is to know that nobody waits any more."""
        self.drop()
        self._gateway.leave()

    def drop(self) -> None:
        """Close what nobody uses."""
        self._gateway.connections -= 1
        self.protocol.abort()
        self._connection.close()

    def _lost(self) -> None:
        """The connection has ended. Where an attempt uses it, that attempt will discard it."""
        owner = self.owner
        if self._gateway.forget(self) or (owner and owner[0].forget(self._gateway, self)):
            self._gateway.connections -= 1
            self._connection.close()


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
        resolver: WatchedResolver,
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
        self.ageing = bool(max_age)
        """Whether a connection that still works may have to go."""
        self.connections = 0
        """Open ones, in use or resting."""
        self._ends = Ends()
        self.wary = False
        """Whether it has closed connections that rested."""

    def retired(self, line: Line) -> bool:
        """Whether it takes no further request."""
        return self._closed or time.monotonic() - line.born >= self._max_age

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
            looking_up = bool(self._resolver.pending[self._template.host])
            patience = clock.connect or 0.0
            why = await self._unreachable.why(error, looking_up=looking_up, patience=patience)
            raise why from None
        protocol = connection.protocol
        assert isinstance(protocol, UpstreamProtocol)
        protocol.take()
        self.connections += 1
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


class Session:
    """The one ClientSession, its tuned TCPConnector, and a connector per unix socket."""

    def __init__(self) -> None:
        self._unix: list[UnixConnector] = []

    async def __aenter__(self) -> Self:
        self._resolver = WatchedResolver()
        connector = Connector(
            limit=0,  # aiohttp's 100 would queue silently; limits are ours
            ttl_dns_cache=_DNS_TTL,
            force_close=True,  # what rests, rests in a Gateway
            resolver=self._resolver,
        )
        install(connector)
        self._connector = connector
        self._client = ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=None, connect=None, sock_read=None, sock_connect=None),
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for connector in self._unix:
            await connector.close()
        await self._client.close()
        await self._resolver.close()

    def gateway(
        self,
        template: Callable[..., ClientRequest],
        unix_path: str | None,
        *,
        keepalive: float,
        limit: int,
        max_age: float = 0.0,
    ) -> Gateway:
        """The way to a server that ``template`` describes, or to a unix socket."""
        connector: BaseConnector = self._connector
        if unix_path is not None:
            unix = UnixConnector(unix_path, limit=0, force_close=True)
            self._unix.append(unix)
            install(unix)
            connector = unix
        request = template(loop=asyncio.get_running_loop())
        return Gateway(
            connector,
            request,
            self._resolver,
            keepalive=keepalive,
            limit=limit,
            max_age=max_age,
            name=f"unix:{unix_path}" if unix_path is not None else "",
        )

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of a name, IPv4 ones where there are any, in a fixed order.

        Raises OSError where it is not known.
        """
        found = await ThreadedResolver.resolve(self._resolver, host, 0, socket.AF_UNSPEC)
        four = {entry["host"] for entry in found if entry["family"] == socket.AF_INET}
        six = {entry["host"] for entry in found if entry["family"] == socket.AF_INET6}
        return tuple(sorted(four or six))
