"""How Redis is asked: within a timeout, and behind a circuit."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec
import redis.asyncio
from redis.exceptions import (
    MasterDownError,
    MaxConnectionsError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from proxy.core.clock import Clock
from proxy.core.errors import forget_frames
from proxy.core.stored import StoreFailed
from proxy.core.tasks import keep
from proxy.store.circuit import Circuit
from proxy.store.patience import Patience
from proxy.store.redis_connections import OURS, make_anew

log = logging.getLogger(__name__)
T = TypeVar("T")

WRITE_TIMEOUT: Final = 2.0
"""Seconds at least for what nobody waits for, such as a reply that is written, and for the rest of
a reply whose head has been sent."""
_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 0.32
"""Seconds between two attempts for such a rest. The second one follows at once: perhaps it was only
a connection that had ended."""
_SILENT: Final = 10.0
"""Seconds between two lines of a kind."""
_CONNECTIONS: Final = 16
"""At the most, unless the URL says ``max_connections``; what comes beyond them waits.

Redis does one thing after the other, and so does the loop. With more of them each answer waits for
the loop's work for all the others, and that looks as if Redis were slow.
"""
_ANEW: Final = 5.0
"""Seconds at least between two times that all connections are made anew, since their Redis is a
replica: one that is meant stays one."""
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    RecursionError,
    msgspec.MsgspecError,
)
"""What an answer raises that is not of the shape that was asked for."""


class _Answered(StoreFailed):
    """It has refused, and that in time."""


class _Busy(StoreFailed):
    """It has not been asked: all connections were in use."""


class RedisCalls:
    """A client of one database."""

    __slots__ = (
        "_anew_at",
        "_heard_at",
        "_patience",
        "_silent_until",
        "_tasks",
        "_timeout",
        "_turns",
        "circuit",
        "client",
        "clock",
        "failures",
    )

    def __init__(self, url: str, timeout: float, clock: Clock) -> None:
        """``timeout``: seconds that an answer may take, 0 for any time."""
        self.client: Any = redis.asyncio.Redis.from_url(
            url,
            # Each attempt has its limit here, which looks at what has come before it says that it
            # is over; theirs do not, and swallow a cancellation on Python 3.11.
            socket_timeout=None,
            socket_connect_timeout=None,
            max_connections=_CONNECTIONS,
            retry=None,
        )
        pool = self.client.connection_pool
        pool.connection_class = OURS[pool.connection_class]
        self._turns = asyncio.Semaphore(pool.max_connections)
        self._timeout = timeout or None
        self._patience = self._timeout and max(WRITE_TIMEOUT, self._timeout)
        self._heard_at = 0.0
        """When it has answered last."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self.circuit = Circuit(clock, timeout)
        self.clock = clock
        self._silent_until: dict[str, float] = {}
        """By the kind of line."""
        self._anew_at = -math.inf
        self.failures = 0

    async def ask(self, work: Callable[[], Awaitable[T]], within: float | None = None) -> T:
        """Do it within the timeout and behind the circuit. Raises StoreFailed."""
        if not self.circuit.admits():
            raise StoreFailed("it does not answer")
        try:
            found = await self._try(work, within or self._timeout, even_if=self.circuit.is_open)
        except _Answered as error:
            self.circuit.succeeded()
            self._warn("store: Redis refuses (%s); what it was asked for is a miss", error)
            raise
        except _Busy as error:
            self._warn("store: Redis has not been asked (%s); that is a miss", error)
            raise
        except StoreFailed as error:
            was_open = self.circuit.is_open
            self.circuit.failed()
            if self.circuit.is_open and not was_open:
                self._warn("store: Redis does not answer (%s); stored replies are misses", error)
            elif not was_open:
                self._warn("store: Redis has failed (%s); what it was asked for is a miss", error)
            raise
        self.circuit.succeeded()
        return found

    def _warn(self, line: str, error: StoreFailed) -> None:
        now = self.clock()
        if now >= self._silent_until.get(line, -math.inf):
            self._silent_until[line] = now + _SILENT
            log.warning(line, error)

    async def insist(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do it for a client that would be cut otherwise: twice, with more time, whatever the
        circuit says; and where nobody listens, as after a restart, for as long as one attempt may
        take. Raises StoreFailed.
        """
        until = self.clock() + (self._patience or WRITE_TIMEOUT)
        pause = 0.0
        while True:
            try:
                return await self._try(work, self._patience)
            except StoreFailed as error:
                if pause and (self.clock() >= until or isinstance(error, _Answered)):
                    raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE) or _PAUSE

    async def _try(
        self, work: Callable[[], Awaitable[T]], within: float | None, *, even_if: bool = True
    ) -> T:
        """``even_if``: whether it is asked if the circuit is open when a connection is free."""
        waits = True
        try:
            async with Patience(within, self._last_heard) as patience, self._turns:
                if not even_if and self.circuit.is_open:  # others have waited in vain meanwhile
                    raise _Busy("it does not answer")
                waits = False
                patience.begin_anew()
                found = await work()
                self._heard_at = asyncio.get_running_loop().time()
                return found
        except _Busy:
            raise
        except ResponseError as error:
            self._heard_at = asyncio.get_running_loop().time()
            self.failures += 1
            if _is_of_replica(error) and self.clock() >= self._anew_at:
                self._anew_at = self.clock() + _ANEW
                make_anew(self.client.connection_pool)
            raise _Answered(_words(error, within)) from None
        except MaxConnectionsError as error:
            self.failures += 1
            raise _Busy(_words(error, within)) from None
        except _UNREADABLE as error:
            self.failures += 1
            raise StoreFailed(f"an answer that cannot be read: {type(error).__name__}") from None
        except (RedisError, OSError, TimeoutError) as error:
            self.failures += 1
            if waits:
                raise _Busy("all connections are in use") from None
            raise StoreFailed(_words(error, within)) from None
        except Exception as error:  # whatever fails is a miss, as a loop that says RuntimeError
            self.failures += 1
            raise StoreFailed(f"{type(error).__name__}: {_words(error, within)}") from None

    def _last_heard(self) -> float:
        return self._heard_at

    async def quietly(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """Do it with time for a write; None where it fails."""
        try:
            return await self.ask(work, self._patience)
        except StoreFailed:
            return None

    def begin(
        self, work: Callable[[], Awaitable[Any]], failed: Callable[[], None] | None = None
    ) -> None:
        """Do it; nobody waits for it. ``failed`` is called where it says nothing."""

        async def do() -> None:
            if await self.quietly(work) is None and failed is not None:
                failed()

        keep(asyncio.get_running_loop().create_task(do()), self._tasks)

    async def close(self) -> None:
        """Do what was begun, and hang up."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=WRITE_TIMEOUT)
        try:
            async with asyncio.timeout(WRITE_TIMEOUT):
                await self.client.connection_pool.disconnect(inuse_connections=True)
        except Exception as error:
            # Their ends were not heard of in time, where the loop stood still or the network does;
            # the sockets are closed all the same.
            forget_frames(error)
        await self.client.aclose()


def as_bytes(answer: object) -> bytes:
    """An answer that has to be bytes. Raises TypeError."""
    if not isinstance(answer, bytes):
        raise TypeError
    return answer


def _is_of_replica(error: ResponseError) -> bool:
    """Whether it was the primary once, most likely, and its name leads to another one now."""
    # Redis 6 hides it in the error of a script.
    return isinstance(error, ReadOnlyError | MasterDownError) or "-READONLY" in str(error)


def _words(error: Exception, within: float | None) -> str:
    """Why an attempt has failed; the error of a timeout says nothing itself."""
    if within and not str(error):
        return f"no answer within {within * 1000:g} ms"
    return str(error) or type(error).__name__
