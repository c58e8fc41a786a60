"""What is going on at the listener: connections, requests in flight, draining."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final, Protocol

from proxy.core.exchange import Exchange
from proxy.edge.departures import Departures

Observer = Callable[[Exchange, float], None]
"""Is told of every exchange once, when it has ended, with the loop's time."""

_PARTING: Final = 2.5
"""Seconds for tunnels to end politely, more than each of them takes for itself."""
_SETTLING: Final = 0.1
"""Seconds for their connections to go after them."""


class Visitor(Protocol):
    """A client connection, as far as draining it goes."""

    def retire(self) -> None:
        """Close now if nothing is being asked on it."""

    def expire(self) -> None:
        """Close now, whatever is being asked on it."""


class Tunnel(Protocol):
    """An upgraded connection, as far as draining and looking at it go."""

    def part(self) -> None:
        """End it politely, within a second."""

    def report(self, now: float) -> dict[str, Any]:
        """What operators are shown; ``now`` is monotonic."""


class Traffic:
    """Shared by all connections of a listener."""

    __slots__ = (
        "_idle",
        "_observers",
        "_parted",
        "connections",
        "departures",
        "draining",
        "in_flight",
        "limit",
        "over",
        "tunnels",
    )

    def __init__(self, limit: int, observers: tuple[Observer, ...] = ()) -> None:
        """``limit``: connections at a time."""
        self.limit = limit
        self.connections: set[Visitor] = set()
        self.tunnels: set[Tunnel] = set()
        self.in_flight = 0
        """Requests that have come in and not ended; whoever takes one in counts it."""
        self.draining = False
        self.over = False
        """Whether the grace period of a drain has ended."""
        self.departures = Departures(asyncio.get_running_loop())
        self._observers = observers
        self._idle: asyncio.Future[None] | None = None
        self._parted: asyncio.Future[None] | None = None

    @property
    def full(self) -> bool:
        """Whether there is no room for another connection."""
        return len(self.connections) >= self.limit

    def leave(self, exchange: Exchange, now: float) -> None:
        """A request has ended, one way or another."""
        self.in_flight -= 1
        for observer in self._observers:
            observer(exchange, now)

    def record(self, exchange: Exchange, now: float) -> None:
        """Tell the observers of an exchange that never was in flight."""
        for observer in self._observers:
            observer(exchange, now)

    def close(self) -> None:
        """Let go of the loop."""
        self.departures.close()

    def disconnected(self, connection: Visitor) -> None:
        """A connection has ended."""
        self.connections.discard(connection)
        if not self.connections and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def parted(self, tunnel: Tunnel) -> None:
        """A tunnel has ended."""
        self.tunnels.discard(tunnel)
        if not self.tunnels and self._parted is not None and not self._parted.done():
            self._parted.set_result(None)

    def expire(self) -> None:
        """Cut what is left."""
        self.over = True
        for connection in list(self.connections):
            connection.expire()

    async def drain(self, grace: float) -> bool:
        """Let requests finish and replies be read; False where not all were.

        ``grace`` in seconds, zero for as long as it takes. Tunnels are told to end when it is over.
        """
        self.draining = True
        for connection in list(self.connections):
            connection.retire()
        if await self._emptied(grace):
            return True
        if not self.tunnels:
            return False
        # Requests have had their time: they are cut as soon as the tunnels have ended.
        self._parted = asyncio.get_running_loop().create_future()
        for tunnel in list(self.tunnels):
            tunnel.part()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PARTING):
                await self._parted
        return await self._emptied(_SETTLING)

    async def _emptied(self, seconds: float) -> bool:
        """Whether all connections end in time, zero for no limit."""
        if self.connections:
            self._idle = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(seconds or None):
                    await self._idle
            except TimeoutError:
                return False
        return True
