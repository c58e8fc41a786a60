"""The connections to one endpoint: those in use, those that are idle, and how many there may be.

Connections are made and closed by aiohttp's connector; between two attempts they are idle here, the
one used last being the first to be used again. The connector's own pool costs a coroutine, a key
and a Connection for each use (``docs/decisions/0006``).

An attempt takes a connection by ``try_idle`` or ``acquire``; ``PooledConnection.release`` or
``discard`` gives it back, through ``park`` or ``release_permit`` here. A connection that belongs to
one client (``http/logins``) is kept by that client's ``Ties`` instead, see ``acquire_bound``.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import BaseConnector, ClientRequest, ClientTimeout

from proxy.core.clock import monotonic
from proxy.core.errors import NotAttempted
from proxy.core.permit_wait import first_free
from proxy.core.record import CONNECTION, Record
from proxy.core.ties import Ties
from proxy.net.proxy_protocol import introduction
from proxy.policy.idle_limit import Ends
from proxy.policy.permits import Permits
from proxy.upstream.connector import FIRST_WORDS
from proxy.upstream.connects import Connects
from proxy.upstream.http1.protocol import UpstreamProtocol
from proxy.upstream.pooled_connection import PooledConnection, ends_of
from proxy.upstream.resolver import Resolver
from proxy.upstream.unreachable import Unreachable

_LOGIN: Final = 10.0
"""Seconds that a login may take before the age of its connection counts."""


class ConnectionPool:
    """Makes connections to one endpoint, keeps idle ones, and limits how many there are."""

    __slots__ = (
        "_addresses",
        "_closed",
        "_connector",
        "_connects",
        "_ends",
        "_idle",
        "_max_age",
        "_resolver",
        "_send_proxy",
        "_template",
        "_unreachable",
        "connections",
        "expires",
        "keepalive",
        "opened",
        "peer_closes_idle",
        "permits",
        "tls",
        "waiting",
    )

    def __init__(
        self,
        connector: BaseConnector,
        template: ClientRequest,
        resolver: Resolver,
        *,
        keepalive: float,
        limit: int,
        max_age: float,
        name: str,
        send_proxy: str,
        connects: Connects | None,
    ) -> None:
        """``keepalive``: seconds that a connection may be idle; ``max_age``: that it may be used.

        ``limit``: connections at a time. Zero is no limit. ``send_proxy``: version of the PROXY
        header with which connections begin, if any. ``connects`` is told what becomes of each
        attempt to make one.
        """
        self._connector = connector
        self._connects = connects or Connects()
        self._template = template
        self._resolver = resolver
        self.keepalive = keepalive
        """Seconds that a connection may be idle."""
        self.permits = Permits(limit) if limit else None
        """For connections, where there may be only so many."""
        self._idle: dict[PooledConnection, None] = {}
        self._max_age, self._send_proxy, self._closed = max_age, send_proxy, False
        self.tls, self._unreachable = template.is_ssl(), Unreachable(template, name)
        self.expires = bool(max_age) or not keepalive
        """Whether a connection that still works may have to go."""
        self.connections = self.waiting = 0
        """Open ones, in use or idle; those that are idle until the client asks whose they are."""
        self.opened = 0  # since the start
        self._ends = Ends()
        self._addresses: frozenset[str] = frozenset()
        """What the name stands for, where that is known."""
        self.peer_closes_idle = False
        """Whether the server has closed connections that were idle."""

    def expired(self, connection: PooledConnection) -> bool:
        """Whether it takes no further request; one with a login may be idle all the same."""
        if self._closed or not (self.keepalive or connection.owner) or self._moved(connection):
            return True
        if not self._max_age:
            return False
        now = monotonic()
        # A login takes several requests, all of them on the connection on which it began.
        if connection.owner and now - connection.login_at < _LOGIN:
            return False
        return now - connection.made_at >= self._max_age

    def _moved(self, connection: PooledConnection) -> bool:
        """Whether the name does not stand any more for the address that it goes to."""
        return bool(self._addresses) and connection.peer_ip not in self._addresses

    @property
    def in_use(self) -> int:
        """Connections whose exchange has not ended."""
        return self.connections - len(self._idle) - self.waiting

    def follow_name(self, addresses: frozenset[str]) -> None:
        """The name stands for these addresses: idle connections to others are closed."""
        if addresses == self._addresses:
            return
        self.expires = self.expires or bool(self._addresses)  # those in use may have to go as well
        self._addresses = addresses
        for connection in [each for each in self._idle if self._moved(each)]:
            del self._idle[connection]
            connection.close()

    def use(self, template: Callable[..., ClientRequest]) -> None:
        """Make new connections to what this describes; those that stand stay."""
        self._template = template(loop=asyncio.get_running_loop())
        self._unreachable = Unreachable(self._template, self._unreachable.name)

    def reopen(self) -> None:
        """The endpoint is there again."""
        self._closed = False
        self.expires = bool(self._max_age) or not self.keepalive or bool(self._addresses)

    def close(self) -> None:
        """The endpoint is gone: also those in use are closed, when they are released."""
        self._closed = self.expires = True
        self.close_idle()

    def close_idle(self, idle_for: float = 0.0) -> None:
        """Close those that have been idle for so many seconds: none of them is the next one."""
        for each in [each for each in self._idle if each.protocol.parked_for()[0] >= idle_for]:
            del self._idle[each]
            each.close()

    def try_idle(self) -> PooledConnection | None:
        """An idle connection, where one is to be had without waiting."""
        return self._take_idle() if self.permits is None else None

    async def acquire_bound(self, ties: Ties, clock: ClientTimeout) -> PooledConnection | None:
        """The connection that belongs to a client, where it has one that still stands.

        Raises ServerAtLimit.
        """
        if (found := ties.held.get(self)) is None:
            return None
        if self.permits is not None:
            await self._take_permit(self.permits, clock)
            if ties.held.get(self) is not found:  # it ended during the wait
                self.release_permit()
                return None
        connection = ties.held.pop(self)[1]
        assert isinstance(connection, PooledConnection)
        if connection.checkout() and not (self.expires and self.expired(connection)):
            return connection
        connection.discard()
        return None

    async def acquire(
        self, clock: ClientTimeout, client: str = "", ties: Ties | None = None
    ) -> PooledConnection:
        """An idle connection, or a new one. Raises ConnectError or ServerAtLimit.

        ``client``: address of who asks, by the connection that has ``ties``.
        """
        if self.permits is not None:
            await self._take_permit(self.permits, clock)
        try:
            if self._send_proxy:
                return await self._introduced(clock, client, ties)
            return self._take_idle() or await self._connect(clock)
        except BaseException:
            self.release_permit()
            raise

    async def _introduced(
        self, clock: ClientTimeout, client: str, ties: Ties | None
    ) -> PooledConnection:
        """A connection on which this client, and nobody else, has been introduced."""
        words = introduction(self._send_proxy, *ends_of(client, ties))
        if ties is not None and (found := ties.introduced.pop(self, None)) is not None:
            connection = found[1]
            assert isinstance(connection, PooledConnection)
            fresh = connection.checkout()
            if fresh and found[0] == words and not (self.expires and self.expired(connection)):
                return connection
            connection.close()
        connection = await self._connect(clock, words)
        connection.introduced = (ties, words)
        return connection

    def _note_closed_idle(self, connection: PooledConnection) -> None:
        """The server closed an idle one; for how long it was idle is a hint when it does so."""
        self._ends.observe(*connection.protocol.parked_for())
        self.peer_closes_idle = True

    def likely_open(self, connection: PooledConnection) -> bool:
        """Whether one that was idle is likely to last for a request that has one try only.

        Where it is not, it is closed; another one has been idle for longer still.
        """
        idle, now = connection.protocol.parked_for()
        self.peer_closes_idle = self._ends.known(now)
        if idle < self._ends.shortest(now):
            return True
        connection.discard()
        return False

    def _take_idle(self) -> PooledConnection | None:
        idle = self._idle
        while idle:
            connection = idle.popitem()[0]
            if connection.protocol.checkout() and not (self.expires and self.expired(connection)):
                return connection
            if not self._closed and connection.protocol.left_by_peer:
                self._note_closed_idle(connection)
            connection.close()
        return None

    async def set_aside(self, patience: float, record: Record | None = None) -> None:
        """Wait until this task has a permit, which ``acquire`` takes. Raises ServerAtLimit.

        ``patience`` in seconds, 0 for no end. ``record`` is told of the wait.
        """
        if self.permits is None or self.permits.set_aside(asyncio.current_task()):
            return
        record, name = record or Record(), self._unreachable.name
        with record.waiting(CONNECTION, monotonic, record.upstream, name):
            await first_free(self.permits, name, patience)

    async def _take_permit(self, permits: Permits, clock: ClientTimeout) -> None:
        await self.set_aside(clock.connect or 0.0)
        permits.take(asyncio.current_task())

    async def _connect(self, clock: ClientTimeout, words: bytes = b"") -> PooledConnection:
        """``words`` come first, ahead of TLS too."""
        if words and self.tls:
            FIRST_WORDS.set(words)
        try:
            made = await self._connector.connect(self._template, [], clock)
        except Exception as error:
            looking_up = self._template.host in self._resolver.pending
            patience = clock.connect or 0.0
            why = await self._unreachable.why(error, looking_up=looking_up, patience=patience)
            if not isinstance(why, NotAttempted):  # a limit of ours says nothing of the server
                self._connects.failed(why)
            raise why from None
        finally:
            if words and self.tls:
                FIRST_WORDS.set(b"")
        protocol = made.protocol
        assert isinstance(protocol, UpstreamProtocol)
        protocol.checkout()
        if words and not self.tls and protocol.transport is not None:
            protocol.transport.write(words)
        self.connections += 1
        self.opened += 1
        if addresses := self._resolver.stands_for(self._template.host):
            self.follow_name(addresses)
        connection = PooledConnection(made, protocol, self)
        self._connects.made()
        return connection

    def park(self, connection: PooledConnection) -> None:
        """Keep it for the next attempt, ``keepalive_timeout`` at most."""
        connection.protocol.park(self.keepalive)
        self._idle[connection] = None
        if self.permits is not None:
            self.permits.release()

    def remove(self, connection: PooledConnection) -> bool:
        """It has ended; whether it was idle."""
        found = self._idle.pop(connection, self) is None
        if found and connection.protocol.left_by_peer:
            self._note_closed_idle(connection)
        return found

    def release_permit(self) -> None:
        """An attempt has no use for its connection any more."""
        if self.permits is not None:
            self.permits.release()
