"""A connection to a server, as attempts take it and give it back."""

import time
from typing import TYPE_CHECKING

from aiohttp.connector import Connection

from proxy.http.logins import Ties
from proxy.net.sips import sip
from proxy.upstream.http1.protocol import UpstreamProtocol

if TYPE_CHECKING:
    from proxy.upstream.connection_pool import Gateway


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
        """The client that alone may use it, and the name of its server, see ``http/logins``."""
        self.protocol = protocol
        protocol.lost = self._lost
        protocol.sips = sip(protocol, 0)

    @property
    def address(self) -> str:
        """Where it goes to."""
        transport = self.protocol.transport
        peer = None if transport is None else transport.get_extra_info("peername")
        return peer[0] if isinstance(peer, tuple) else ""

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
        protocol = self.protocol
        if protocol.sips is not None:
            protocol.sips.written()
        protocol.abort()
        self._connection.close()

    def _lost(self) -> None:
        """The connection has ended. Where an attempt uses it, that attempt will discard it."""
        owner = self.owner
        if self._gateway.forget(self) or (owner and owner[0].forget(self._gateway, self)):
            self._gateway.connections -= 1
            self._connection.close()
