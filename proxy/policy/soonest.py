"""How soon something has been done lately, for each of many things."""

from collections import OrderedDict
from typing import Final

KEYS: Final = 256
"""Things that are known at a time; what has not been seen for the longest time is forgotten."""
_BUCKET: Final = 30.0
_BUCKETS: Final = 10
"""What happened in the last 5 minutes counts, in steps of 30 seconds."""
_ENOUGH: Final = 20
"""Answers below which nothing is known."""


class _Times:
    """The quickest answer of each of the last buckets, and how many there were."""

    __slots__ = ("_counts", "_least", "_newest")

    def __init__(self, bucket: int) -> None:
        self._newest = bucket
        self._least: dict[int, float] = {}
        self._counts: dict[int, int] = {}

    def observe(self, seconds: float, bucket: int) -> None:
        """One more."""
        self._forget(bucket)
        self._least[bucket] = min(seconds, self._least.get(bucket, seconds))
        self._counts[bucket] = self._counts.get(bucket, 0) + 1

    def least(self, bucket: int) -> float | None:
        """The quickest of all; None where there were too few."""
        self._forget(bucket)
        if sum(self._counts.values()) < _ENOUGH:
            return None
        return min(self._least.values())

    def _forget(self, bucket: int) -> None:
        if bucket != self._newest:
            self._newest = bucket
            for old in [each for each in self._least if each <= bucket - _BUCKETS]:
                del self._least[old], self._counts[old]


class Soonest:
    """An estimate that errs towards trying.

    Whoever has less time than the quickest answer of the last minutes took is probably too late.
    Means and medians would be wrong about whatever is quicker than most: one path, one size, one
    model among others that take long.
    """

    __slots__ = ("_known", "_most")

    def __init__(self, keys: int = KEYS) -> None:
        self._most = keys
        self._known: OrderedDict[bytes, _Times] = OrderedDict()

    def observe(self, key: bytes, seconds: float, now: float) -> None:
        """It took so long."""
        bucket = int(now / _BUCKET)
        times = self._known.get(key)
        if times is None:
            times = self._known[key] = _Times(bucket)
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        times.observe(seconds, bucket)

    def value(self, key: bytes, now: float) -> float | None:
        """Seconds that it took at the least; None where too little is known."""
        times = self._known.get(key)
        return None if times is None else times.least(int(now / _BUCKET))
