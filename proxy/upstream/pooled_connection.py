"""A connection to a server, as attempts take it and give it back."""

from typing import TYPE_CHECKING

from aiohttp.connector import Connection

from proxy.core.clock import monotonic
from proxy.http.logins import Ties
from proxy.net.small_reads import read_small
from proxy.upstream.http1.protocol import UpstreamProtocol

if TYPE_CHECKING:
    from proxy.upstream.connection_pool import ConnectionPool


class PooledConnection:
    """A connection to a server: in use by one attempt, or idle."""

    __slots__ = ("_connection", "_pool", "login_at", "made_at", "owner", "protocol")

    def __init__(
        self, connection: Connection, protocol: UpstreamProtocol, pool: "ConnectionPool"
    ) -> None:
        self._connection = connection
        self._pool = pool
        self.made_at = monotonic()
        self.owner: tuple[Ties, str] | None = None
        """The client that alone may use it, and the name of its server, see ``http/logins``."""
        self.login_at = 0.0
        """When the login on it began."""
        self.protocol = protocol
        protocol.on_lost = self._on_lost
        protocol.reads = read_small(protocol, 0)

    @property
    def peer_ip(self) -> str:
        """Where it goes to; empty where that is no IP address."""
        transport = self.protocol.transport
        peer = None if transport is None else transport.get_extra_info("peername")
        return peer[0] if isinstance(peer, tuple) else ""

    def bind(self, ties: Ties | None, server: str) -> None:
        """Somebody logs in on it: from now on it belongs to that client, and is closed with it."""
        if ties is None:  # a health check's
            self.protocol.force_close()
        else:
            if self.owner is None:
                self.login_at = monotonic()
            self.owner = (ties, server)

    def release(self) -> None:
        """Keep it for the next attempt, where nothing speaks against another use."""
        protocol = self.protocol
        if protocol.should_close or (self._pool.expires and self._pool.expired(self)):
            self.discard()
        elif self.owner is not None:
            self._park_for(*self.owner)
        else:
            self._pool.park(self)

    def _park_for(self, ties: Ties, server: str) -> None:
        """Stay idle until the client that it belongs to asks again or goes."""
        if ties.closed or self._pool in ties.held:
            self.discard()
            return
        self.protocol.park(0)
        ties.held[self._pool] = (server, self)
        self._pool.release_permit()

    def discard(self) -> None:
        """Close at once; the upstream is to know that nobody waits any more."""
        self.close()
        self._pool.release_permit()

    def close(self) -> None:
        """Close what nobody uses."""
        self._pool.connections -= 1
        protocol = self.protocol
        if protocol.reads is not None:
            protocol.reads.written()
            protocol.reads = None  # it holds the protocol
        protocol.abort()
        self._connection.close()

    def _on_lost(self) -> None:
        """The connection has ended. Where an attempt uses it, that attempt will discard it."""
        owner = self.owner
        if self._pool.remove(self) or (owner and owner[0].forget(self._pool, self)):
            self._pool.connections -= 1
            self._connection.close()
