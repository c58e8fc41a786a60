"""What is going on at the listener: connections, requests in flight, draining."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from proxy.core.exchange import Exchange
from proxy.edge.resets import Resets

Observer = Callable[[Exchange, float], None]
"""Is told of every exchange once, when it has ended, with the loop's time."""


class Visitor(Protocol):
    """A client connection, as far as draining it goes."""

    def retire(self) -> None:
        """Close now if nothing is being asked on it."""


class Traffic:
    """Shared by all connections of a listener."""

    __slots__ = ("_idle", "_observers", "connections", "draining", "in_flight", "limit", "resets")

    def __init__(self, limit: int, observers: tuple[Observer, ...] = ()) -> None:
        """``limit``: connections at a time."""
        self.limit = limit
        self.connections: set[Visitor] = set()
        self.in_flight = 0
        self.draining = False
        self.resets = Resets(asyncio.get_running_loop())
        self._observers = observers
        self._idle: asyncio.Future[None] | None = None

    def enter(self) -> None:
        """A request has come in."""
        self.in_flight += 1

    def leave(self, exchange: Exchange, now: float) -> None:
        """A request has ended, one way or another."""
        self.in_flight -= 1
        self.record(exchange, now)
        if not self.in_flight and self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def record(self, exchange: Exchange, now: float) -> None:
        """Tell the observers of an exchange that has ended."""
        for observer in self._observers:
            observer(exchange, now)

    def close(self) -> None:
        """Let go of the loop."""
        self.resets.close()

    async def drain(self, grace: float) -> bool:
        """Let what is in flight finish, ``grace`` seconds at most; False where it did not."""
        self.draining = True
        for connection in list(self.connections):
            connection.retire()
        if self.in_flight:
            self._idle = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(grace):
                    await self._idle
            except TimeoutError:
                return False
        return True
