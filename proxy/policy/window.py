"""Counts of the last seconds."""

from typing import Final

_BUCKETS: Final = 10


class Window:
    """A sliding window of ten buckets."""

    __slots__ = ("_bucket", "_counts", "_newest", "_total")

    def __init__(self, seconds: float) -> None:
        self._bucket = seconds / _BUCKETS
        self._counts = [0] * _BUCKETS
        self._newest = 0
        self._total = 0

    def add(self, now: float) -> None:
        """Count one more."""
        at = int(now / self._bucket)
        if at != self._newest:
            self._turn(at)
        self._counts[at % _BUCKETS] += 1
        self._total += 1

    def total(self, now: float) -> int:
        """How many there were in the last ``seconds``, to the bucket."""
        at = int(now / self._bucket)
        if at != self._newest:
            self._turn(at)
        return self._total

    def _turn(self, at: int) -> None:
        for old in range(self._newest + 1, min(at, self._newest + _BUCKETS) + 1):
            place = old % _BUCKETS
            self._total -= self._counts[place]
            self._counts[place] = 0
        self._newest = at
