"""The time by which what is stored in Redis grows old: that of Redis, for all who share it.

Each machine has a time of day of its own, which may be minutes ahead or be set. By the time of one
of them, what another one has stored would be stale at once, or fresh for minutes too long. So each
asks what time it is there, now and then, and goes on by its own clock meanwhile.
"""

from typing import Final

from proxy.core.clock import Clock
from proxy.core.stored import StoreFailed
from proxy.store.redis_calls import RedisCalls

_ASKED_EVERY: Final = 60.0
"""Seconds; in these two clocks differ by 30 ms at most (500 ppm)."""
_WAITED_FOR: Final = 3600.0
"""Seconds since the last answer after which the next one is waited for: our own time may have
jumped ahead by any number of days, and what has ended by it is removed for all."""
_PRECISE: Final = 1.0
"""Seconds that an answer may take which is believed."""


class RedisTime:
    """What time it is in Redis."""

    __slots__ = ("_ahead", "_asked_at", "_calls", "_own")

    def __init__(self, calls: RedisCalls, own: Clock) -> None:
        """``own``: seconds since 1970, which are never set back."""
        self._calls = calls
        self._own = own
        self._ahead = 0.0
        """By how much it is later there."""
        self._asked_at: float | None = None

    def now(self) -> float:
        """By the last answer; our own time before the first one."""
        return self._own() + self._ahead

    async def known(self) -> None:
        """Ask for it where it is time to: where nothing is known or the last answer is old, that is
        waited for. Raises StoreFailed.

        Our own time may jump ahead: that is seen at once, as so much has passed since.
        """
        asked_at = self._asked_at
        if asked_at is None or self._own() >= asked_at + _WAITED_FOR:
            await self._calls.ask(self._ask)
            if self._asked_at == asked_at:
                raise StoreFailed("it is not known what time it is there")
        elif self._own() >= asked_at + _ASKED_EVERY:
            self._asked_at = self._own()
            self._calls.begin(self._ask)

    async def _ask(self) -> None:
        before = self._own()
        seconds, micros = await self._calls.client.time()
        now = self._own()
        if now - before > _PRECISE:  # one of both was slow: nobody knows when that was so
            return
        self._ahead = int(seconds) + int(micros) / 1_000_000 - (before + now) / 2
        self._asked_at = now
