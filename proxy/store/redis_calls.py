"""How Redis is asked: within a timeout, and behind a circuit."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import redis.asyncio
from redis.exceptions import RedisError

from proxy.core.clock import Clock
from proxy.core.errors import forget_frames
from proxy.core.stored import StoreFailed
from proxy.core.tasks import keep
from proxy.store.circuit import Circuit
from proxy.store.redis_connections import OURS

log = logging.getLogger(__name__)
T = TypeVar("T")

WRITE_TIMEOUT: Final = 2.0
"""Seconds at least for what nobody waits for, such as a reply that is written, and for the rest of
a reply whose head has been sent."""
_SILENT: Final = 10.0
"""Seconds between two lines about failures that do not open the circuit."""


class RedisCalls:
    """A client of one database."""

    __slots__ = (
        "_patience",
        "_silent_until",
        "_tasks",
        "_timeout",
        "circuit",
        "client",
        "clock",
        "failures",
    )

    def __init__(self, url: str, timeout: float, clock: Clock) -> None:
        """``timeout``: seconds that an answer may take, 0 for any time."""
        self.client: Any = redis.asyncio.Redis.from_url(
            url, socket_connect_timeout=timeout or None, retry=None
        )
        pool = self.client.connection_pool
        pool.connection_class = OURS.get(pool.connection_class, pool.connection_class)
        self._timeout = timeout or None
        self._patience = self._timeout and max(WRITE_TIMEOUT, self._timeout)
        self._tasks: set[asyncio.Task[Any]] = set()
        self.circuit = Circuit(clock, timeout)
        self.clock = clock
        self._silent_until = -math.inf
        self.failures = 0

    async def ask(self, work: Callable[[], Awaitable[T]], within: float | None = None) -> T:
        """Do it within the timeout and behind the circuit. Raises StoreFailed."""
        if not self.circuit.admits():
            raise StoreFailed("it does not answer")
        try:
            found = await self._try(work, within or self._timeout)
        except StoreFailed as error:
            was_open = self.circuit.is_open
            self.circuit.failed()
            if self.circuit.is_open and not was_open:
                log.warning("store: Redis does not answer (%s); stored replies are misses", error)
            elif not was_open and self.clock() >= self._silent_until:
                self._silent_until = self.clock() + _SILENT
                log.warning("store: Redis has failed (%s); what it was asked for is a miss", error)
            raise
        self.circuit.succeeded()
        return found

    async def insist(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do it for a client that would be cut otherwise: twice, with more time, whatever the
        circuit says. Raises StoreFailed.
        """
        try:
            return await self._try(work, self._patience)
        except StoreFailed:
            return await self._try(work, self._patience)

    async def _try(self, work: Callable[[], Awaitable[T]], within: float | None) -> T:
        try:
            async with asyncio.timeout(within):
                return await work()
        except (RedisError, OSError, TimeoutError) as error:
            self.failures += 1
            raise StoreFailed(_words(error, within)) from None

    async def quietly(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """Do it with time for a write; None where it fails."""
        try:
            return await self.ask(work, self._patience)
        except StoreFailed:
            return None

    def begin(self, work: Callable[[], Awaitable[Any]]) -> None:
        """Do it; nobody waits for it."""
        keep(asyncio.get_running_loop().create_task(self.quietly(work)), self._tasks)

    async def close(self) -> None:
        """Do what was begun, and hang up."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=WRITE_TIMEOUT)
        try:
            await self.client.connection_pool.disconnect(inuse_connections=True)
        except (RedisError, OSError) as error:
            # Their ends were not heard of in time, where the loop stood still or the network does;
            # the sockets are closed all the same.
            forget_frames(error)
        await self.client.aclose()


def _words(error: Exception, within: float | None) -> str:
    """Why an attempt has failed; the error of a timeout says nothing itself."""
    if within and not str(error):
        return f"no answer within {within * 1000:g} ms"
    return str(error) or type(error).__name__
