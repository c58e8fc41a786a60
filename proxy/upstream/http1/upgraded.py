"""An upstream's connection after its 101."""

import asyncio

from proxy.core.errors import ConnectionTerminated
from proxy.core.reply import Ending
from proxy.upstream.pooled_connection import PooledConnection


class UpgradedReply:
    """The source of a reply that has no body but a connection, see ``core/reply``."""

    __slots__ = ("_connection", "idle", "protocol")
    buffered = None

    def __init__(self, connection: PooledConnection, protocol: bytes, idle: float) -> None:
        self._connection = connection
        self.protocol = protocol
        self.idle = idle
        connection.protocol.timer.disarm()

    async def read(self) -> bytes:
        """Nothing: what comes is no body."""
        return b""

    def close(self, _: Ending) -> None:
        """Such a connection serves no other request."""
        self._connection.discard()

    def take_over(self, protocol: asyncio.Protocol) -> tuple[asyncio.Transport, bytes]:
        """Raises ConnectionTerminated where it has ended."""
        former = self._connection.protocol
        transport = former.transport
        if transport is None or transport.is_closing():
            raise ConnectionTerminated("closed after its 101")
        transport.set_protocol(protocol)
        if former.reads is not None:
            former.reads.written()
            former.reads = None
        early, former._tail = former._tail, b""
        return transport, early

    def connection_lost(self, error: BaseException | None) -> None:
        """It has ended."""
        self._connection.protocol.connection_lost(error)
