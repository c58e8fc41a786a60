"""One ClientSession for all upstreams, and the connections that come out of it."""

import asyncio
import collections
import socket
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self

from aiohttp import (
    BaseConnector,
    ClientRequest,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    ThreadedResolver,
    UnixConnector,
)
from aiohttp.abc import ResolveResult
from aiohttp.connector import Connection

from proxy.core.errors import ConnectionLimit
from proxy.upstream.translate import connect_error
from proxy.upstream.wire import UpstreamProtocol, install

_DNS_TTL: Final = 10


class Line:
    """A connection that is ours until it is released or discarded."""

    __slots__ = ("_connection", "_keepalive", "_leave", "protocol")

    def __init__(
        self,
        connection: Connection,
        protocol: UpstreamProtocol,
        keepalive: float,
        leave: Callable[[], None] | None,
    ) -> None:
        self._connection = connection
        self.protocol = protocol
        self._keepalive = keepalive
        self._leave = leave

    def release(self) -> None:
        """Back to the pool, where nothing speaks against it."""
        protocol = self.protocol
        protocol.alarm.clear()
        if protocol.should_close:
            self.discard()
            return
        self._connection.release()
        protocol.pool(self._keepalive)
        if self._leave is not None:
            self._leave()

    def discard(self) -> None:
        """Close at once; the upstream is to know that nobody waits any more."""
        self.protocol.abort()
        self._connection.close()
        if self._leave is not None:
            self._leave()


class Gateway:
    """The way to one server: its connector, its TLS context and its limit."""

    __slots__ = ("_connector", "_keepalive", "_permits", "_resolver", "_template", "tls")

    def __init__(
        self,
        connector: BaseConnector,
        template: ClientRequest,
        resolver: "WatchedResolver",
        *,
        keepalive: float,
        limit: int,
    ) -> None:
        self._connector = connector
        self._template = template
        self._resolver = resolver
        self._keepalive = keepalive
        self._permits = asyncio.Semaphore(limit) if limit else None
        self.tls = template.is_ssl()

    async def line(self, clock: ClientTimeout) -> Line:
        """A connection, from the pool or new. Raises ConnectError or ConnectionLimit."""
        permits = self._permits
        if permits is None:
            return await self._line(clock, None)
        try:
            async with asyncio.timeout(clock.connect):
                await permits.acquire()
        except TimeoutError:
            raise ConnectionLimit("no connection became free in time") from None
        try:
            return await self._line(clock, permits.release)
        except BaseException:
            permits.release()
            raise

    async def _line(self, clock: ClientTimeout, leave: Callable[[], None] | None) -> Line:
        while True:
            try:
                connection = await self._connector.connect(self._template, [], clock)
            except Exception as error:
                looking_up = bool(self._resolver.pending[self._template.host])
                raise connect_error(error, tls=self.tls, looking_up=looking_up) from error
            protocol = connection.protocol
            assert isinstance(protocol, UpstreamProtocol)
            if protocol.take():
                return Line(connection, protocol, self._keepalive, leave)
            connection.close()


class WatchedResolver(ThreadedResolver):
    """Knows what it is looking up, so that a look-up that hangs can be told from a connect."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: collections.Counter[str] = collections.Counter()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Look up ``host``; see ThreadedResolver."""
        self.pending[host] += 1
        try:
            return await super().resolve(host, port, family)
        finally:
            self.pending[host] -= 1
            if not self.pending[host]:
                del self.pending[host]


class Session:
    """The one ClientSession, its tuned TCPConnector, and a connector per unix socket."""

    def __init__(self, keepalives: Sequence[float] = ()) -> None:
        """``keepalives``: of all upstreams, in seconds; zero for no end."""
        # Each connection keeps its own time; the connector only sweeps up what has closed.
        self._keepalive = None if not all(keepalives) else max(keepalives, default=15) + 1
        self._unix: list[UnixConnector] = []

    async def __aenter__(self) -> Self:
        self._resolver = WatchedResolver()
        connector = TCPConnector(
            limit=0,  # aiohttp's 100 would queue silently; limits are ours
            ttl_dns_cache=_DNS_TTL,
            keepalive_timeout=self._keepalive,
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
    ) -> Gateway:
        """The way to a server that ``template`` describes, or to a unix socket."""
        connector: BaseConnector = self._connector
        if unix_path is not None:
            unix = UnixConnector(unix_path, limit=0, keepalive_timeout=self._keepalive)
            self._unix.append(unix)
            install(unix)
            connector = unix
        request = template(loop=asyncio.get_running_loop())
        return Gateway(connector, request, self._resolver, keepalive=keepalive, limit=limit)
