"""What an upgraded connection is to whoever passes its bytes on."""

import asyncio
from typing import Protocol


class Duplex(Protocol):
    """A connection that speaks HTTP no more."""

    def take(self, protocol: asyncio.Protocol) -> tuple[asyncio.Transport, bytes]:
        """Have ``protocol`` told of what happens from now on; what came before that.

        ``protocol.connection_made`` is not called. Raises ConnectionError or UpstreamError where
        the connection has ended.
        """

    def lost(self, error: BaseException | None) -> None:
        """Called once ``protocol`` has been told that the connection has ended."""


class Switched(Duplex, Protocol):
    """An upstream's connection after its 101."""

    protocol: bytes
    """What it speaks from now on, as its Upgrade field says."""
    idle: float
    """Seconds without a byte in either direction after which it ends; 0 for none."""
