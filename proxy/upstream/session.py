"""One ClientSession for all upstreams, and the connections that come out of it."""

import asyncio
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self
from weakref import WeakValueDictionary

from aiohttp import (
    BaseConnector,
    ClientRequest,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
)

from proxy.upstream.connection_pool import ConnectionPool
from proxy.upstream.connector import Connector, UnixConnector, install
from proxy.upstream.connects import Connects
from proxy.upstream.resolver import ResolvedName, Resolver, chosen


class Session:
    """The one ClientSession, its tuned TCPConnector, and a connector per unix socket."""

    def __init__(self) -> None:
        self._unix: WeakValueDictionary[str, UnixConnector] = WeakValueDictionary()
        """By path, for as long as a pool is there that connects by it."""
        self._paired: dict[str, tuple[str, ...]] = {}

    async def __aenter__(self) -> Self:
        self._resolver = Resolver()
        connector = Connector(
            limit=0,  # aiohttp's 100 would queue silently; limits are ours
            use_dns_cache=False,  # Resolver remembers
            force_close=True,  # idle ones are kept by a ConnectionPool
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
        for connector in list(self._unix.values()):
            await connector.close()
        await self._client.close()
        await self._resolver.close()

    def connection_pool(
        self,
        template: Callable[..., ClientRequest],
        unix_path: str | None,
        *,
        keepalive: float,
        limit: int,
        max_age: float = 0.0,
        send_proxy: str = "",
        connects: Connects | None = None,
    ) -> ConnectionPool:
        """The way to a server that ``template`` describes, or to a unix socket.

        ``connects`` is told what becomes of each attempt to connect.
        """
        connector: BaseConnector = self._connector
        if unix_path is not None:
            if (unix := self._unix.get(unix_path)) is None:
                unix = self._unix[unix_path] = UnixConnector(unix_path, limit=0, force_close=True)
                install(unix)
            connector = unix
        request = template(loop=asyncio.get_running_loop())
        return ConnectionPool(
            connector,
            request,
            self._resolver,
            keepalive=keepalive,
            limit=limit,
            max_age=max_age,
            send_proxy=send_proxy,
            name=f"unix:{unix_path}" if unix_path is not None else "",
            connects=connects,
        )

    def set_ttl(self, upstream: str, hosts: Iterable[str], ttl: float) -> None:
        """Look the names of an upstream up again after ``ttl`` seconds; each time where it is 0."""
        self._resolver.set_ttl(upstream, hosts, ttl)
        for host in [each for each in self._paired if not self._resolver.follows(each)]:
            self._part(host)

    async def look_up(self, host: str) -> ResolvedName:
        """Look a name up. Raises OSError where it is not known."""
        found = chosen(await self._resolver.look_up(host))
        self._part(host)
        if found.others and len(found.servers) > 1:  # a name with one is raced by itself
            self._paired[host] = found.servers
            self._connector.alternatives.update(dict.fromkeys(found.servers, found.others))
        return found

    def _part(self, host: str) -> None:
        """Its addresses stand for themselves."""
        for ip in self._paired.pop(host, ()):
            self._connector.alternatives.pop(ip, None)
