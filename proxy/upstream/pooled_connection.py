"""A connection to a server, as attempts take it and give it back."""

import math
from typing import TYPE_CHECKING, TypeAlias

from aiohttp.connector import Connection

from proxy.core.clock import monotonic
from proxy.core.ties import Ties
from proxy.net.small_reads import read_small
from proxy.upstream.http1.protocol import UpstreamProtocol

if TYPE_CHECKING:
    from proxy.upstream.connection_pool import ConnectionPool


Ends: TypeAlias = tuple[tuple[str, int] | None, tuple[str, int] | None]


def ends_of(client: str, ties: Ties | None) -> Ends:
    """Address and port of a client, and of where it has connected to; None for both if unknown.

    The port of a client that a trusted proxy names is not known, and is 0, as HAProxy has it.
    """
    transport = None if ties is None else ties.transport
    if transport is None or not client:
        return None, None
    to, peer = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
    if not isinstance(to, tuple) or not isinstance(peer, tuple):
        return None, None
    mapped = peer[0].removeprefix("::ffff:")
    return (client, peer[1] if client in (peer[0], mapped) else 0), (to[0], to[1])


class PooledConnection:
    """A connection to a server: in use by one attempt, or idle."""

    __slots__ = (
        "_connection",
        "_pool",
        "introduced",
        "login_at",
        "login_begun",
        "made_at",
        "owner",
        "protocol",
        "waits",
    )

    def __init__(
        self, connection: Connection, protocol: UpstreamProtocol, pool: "ConnectionPool"
    ) -> None:
        self._connection = connection
        self._pool = pool
        self.made_at = monotonic()
        self.owner: tuple[Ties, str] | None = None
        """The client that alone may use it, and the name of its server, see ``http/logins``."""
        self.introduced: tuple[Ties | None, bytes] | None = None
        """Whose it is from its first bytes on, and those, where it began with a PROXY header."""
        self.login_at = 0.0
        """When a login on it was first spoken of."""
        self.login_begun = False
        """Whether its client has said something of it, and not only the server."""
        self.waits = False
        """Whether it is idle, and its client's."""
        self.protocol = protocol
        protocol.on_lost = self._on_lost
        protocol.reads = read_small(protocol, 0, to_the_end=protocol.encrypted)

    @property
    def peer_ip(self) -> str:
        """Where it goes to; empty where that is no IP address."""
        transport = self.protocol.transport
        peer = None if transport is None else transport.get_extra_info("peername")
        return peer[0] if isinstance(peer, tuple) else ""

    def bind(self, ties: Ties | None, server: str, *, begun: bool = True) -> None:
        """Somebody logs in on it: from now on it belongs to that client, and is closed with it.

        ``begun``: whether the client has; else the server asks for it.
        """
        if ties is None:  # a health check's
            self.protocol.force_close()
        else:
            if self.owner is None:
                self.login_at = monotonic()
            self.owner = (ties, server)
            self.login_begun = self.login_begun or begun

    def release(self) -> None:
        """Keep it for the next attempt, where nothing speaks against another use."""
        protocol = self.protocol
        if protocol.should_close or (self._pool.expires and self._pool.expired(self)):
            self.discard()
        elif self.owner is not None:  # a login needs it, however soon the server closes it
            self._park_for(*self.owner)
        elif not protocol.usable:
            self.discard()
        elif self.introduced is not None:
            self._park_introduced(*self.introduced)
        else:
            self._pool.park(self)

    def _park_for(self, ties: Ties, server: str) -> None:
        """Stay idle until the client that it belongs to asks again or goes."""
        if ties.closed or self._pool in ties.held:
            self.discard()
            return
        self.protocol.park(math.inf)
        ties.held[self._pool] = (server, self)
        self._wait()

    def _park_introduced(self, ties: Ties | None, words: bytes) -> None:
        """Stay idle for the client that was introduced; nobody asks again for a health check."""
        if ties is None or ties.closed or self._pool in ties.introduced:
            self.discard()
            return
        self.protocol.park(self._pool.keepalive)
        ties.introduced[self._pool] = (words, self)
        self._wait()

    def _wait(self) -> None:
        self.waits = True
        self._pool.waiting += 1
        self._pool.release_permit()

    def checkout(self) -> bool:
        """Its client has a request for it: whether it still stands."""
        self._wake()
        return self.protocol.checkout()

    def _wake(self) -> None:
        if self.waits:
            self.waits = False
            self._pool.waiting -= 1

    def discard(self) -> None:
        """Close at once; the upstream is to know that nobody waits any more."""
        self.close()
        self._pool.release_permit()

    def close(self) -> None:
        """Close what nobody uses."""
        self._wake()
        self._pool.connections -= 1
        protocol = self.protocol
        if protocol.reads is not None:
            protocol.reads.written()
            protocol.reads = None  # it holds the protocol
        protocol.forget_unread()
        protocol.abort()
        self._connection.close()

    def _on_lost(self) -> None:
        """The connection has ended. Where an attempt uses it, that attempt will discard it."""
        owner = self.owner or self.introduced
        ties = owner[0] if owner else None
        if self._pool.remove(self) or (ties and ties.forget(self._pool, self)):
            self._wake()
            self._pool.connections -= 1
            self._connection.close()
