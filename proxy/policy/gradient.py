"""How many requests at a time an API sustains, found from how long it takes."""

import math
from typing import Final

_FIRST: Final = 16
_FEWEST: Final = 10
_MOST: Final = 400
"""Answers in a round."""
_SURE: Final = 0.04
"""Standard error of a round's latency, as a share of it, that is good enough."""
_CLEAR: Final = 4.0
"""Standard errors by which a round differs so clearly that it can end at once."""
_ROOM: Final = 0.10
"""How much longer than usual it may take: what the API queues at the limit is seen by that."""
_DIP: Final = 0.85
_EVERY: Final = 12
"""Every so many rounds the limit is lowered by that for one, to see what is usual."""
_CUT: Final = 0.5
"""A limit lowered by more than this must have made a difference."""
_STEP: Final = 0.04
"""The first of several steps up, as a share of the limit."""
_LEARN: Final = 0.3


class Usual:
    """How long a route takes while nothing is in its way."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0
        """Seconds, 0 where nothing is known."""


class Gradient:
    """A limit that follows the API.

    Latencies are looked at in rounds, as shares of what is usual on their route. A round is over as
    soon as its mean is known well enough, or is clearly another one. Where it shows no more than a
    little queueing inside the API the limit grows, the faster the longer that goes well; otherwise
    it shrinks by as much as it is too slow. Every now and then it is lowered a little for one
    round, which shows what is usual without any queueing; nothing is ever pinned to a minimum. And
    where much less at a time takes just as long, it was not the queue: that is usual from then on.
    """

    __slots__ = (
        "_busy",
        "_changed",
        "_cut",
        "_dipped",
        "_growth",
        "_least",
        "_level",
        "_lowered",
        "_most",
        "_n",
        "_rounds",
        "_squares",
        "_sum",
        "_usuals",
    )

    def __init__(self, least: int, most: int) -> None:
        self._least = least
        self._most = most
        self._level = float(min(max(_FIRST, least), most))
        self._changed = -math.inf
        self._growth = 1.0
        self._lowered = False
        self._rounds = 0
        self._dipped = 0.0
        """What the limit was before it was lowered for one round; 0 in all others."""
        self._cut: tuple[float, float] | None = None
        """Limit and log ratio of a round after which the limit was cut."""
        self._usuals: set[Usual] = set()
        self._clear()

    def _clear(self) -> None:
        self._n = 0
        self._sum = self._squares = 0.0
        self._busy = 0
        self._usuals.clear()

    @property
    def limit(self) -> int:
        """Requests at a time."""
        return round(self._level)

    def observe(self, usual: Usual, seconds: float, now: float, in_flight: int) -> bool:
        """A request took so long. Whether the limit has changed.

        ``usual``: of its route; ``in_flight``: requests under way, this one included.
        """
        seconds = max(seconds, 1e-6)
        if not usual.value:
            usual.value = seconds
        if self._lowered:
            # What began before was slowed by what is gone now.
            if in_flight > self.limit:
                self._changed = now
            if now - max(seconds, 2 * usual.value) < self._changed:
                return False
        elif now - self._changed < usual.value:
            return False
        x = math.log(seconds / usual.value)
        self._usuals.add(usual)
        self._n += 1
        self._sum += x
        self._squares += x * x
        self._busy = max(self._busy, in_flight)
        n = self._n
        if n < _FEWEST:
            return False
        mean = self._sum / n
        error = math.sqrt(max(self._squares / n - mean * mean, 0.0) / n)
        if n < _MOST and error > _SURE and (
            not self._rounds or mean < _CLEAR * error + _ROOM
        ):
            return False
        return self._round(mean, now)

    def overloaded(self, now: float) -> bool:
        """The API says so itself, or does not answer in time. Whether the limit has changed."""
        if now - self._changed < 0.1:
            return False
        self._growth = 1.0
        return self._set(self._level * 0.9, now)

    def _round(self, mean: float, now: float) -> bool:
        """What a round says; ``mean`` of the logarithms of ratios."""
        busy = self._busy >= 0.8 * self._level
        level = self._level
        if self._cut is not None and mean > self._cut[1] + _ROOM:
            self._cut = (level, mean)  # it is still getting worse
        elif self._cut is not None and level <= _CUT * self._cut[0]:
            first, before = self._cut
            self._cut = None
            # Half of what it would have to be where requests had queued.
            if mean > before + 0.3 * math.log(level / first):
                self._shift(mean)
                mean = 0.0
        if not self._rounds:
            self._shift(mean)
            mean = 0.0
        elif mean < -_ROOM:
            self._shift(mean)
            mean = 0.0
        elif self._dipped or not busy:
            self._shift(_LEARN * mean)
        self._rounds += 1
        if self._dipped:
            level, self._dipped = self._dipped, 0.0
            return self._set(level, now)
        ratio = math.exp(mean)
        if ratio > 1 + _ROOM:
            self._growth = 1.0
            if self._cut is None:
                self._cut = (level, mean)
            return self._set(level * max((1 + _ROOM) / ratio, 0.5), now)
        self._cut = None
        if not busy:
            return self._set(level, now)
        if self._rounds % _EVERY == 0:
            self._dipped = level
            return self._set(level * _DIP, now)
        if ratio > 1 + _ROOM / 2:
            return self._set(level * (1 + _ROOM) / ratio, now)
        self._growth = max(self._growth, _STEP * level)
        step, self._growth = self._growth, min(self._growth * 2, level / 2)
        return self._set(level + step, now)

    def _shift(self, by: float) -> None:
        for usual in self._usuals:
            usual.value *= math.exp(by)

    def _set(self, level: float, now: float) -> bool:
        was = self.limit
        self._lowered = level < 0.95 * self._level and not self._dipped
        self._level = min(max(level, self._least), float(self._most))
        self._changed = now
        self._clear()
        return self.limit != was
