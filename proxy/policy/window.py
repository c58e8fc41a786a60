"""Counts of the last seconds."""


class Window:
    """A sliding window of buckets."""

    __slots__ = ("_bucket", "_counts", "_newest", "_size", "_total")

    def __init__(self, seconds: float, buckets: int = 10) -> None:
        self._bucket = seconds / buckets
        self._size = buckets
        self._counts = [0] * buckets
        self._newest = 0
        self._total = 0

    def add(self, now: float, n: int = 1) -> None:
        """Count ``n`` more."""
        at = int(now / self._bucket)
        if at != self._newest:
            self._turn(at)
        self._counts[at % self._size] += n
        self._total += n

    def total(self, now: float) -> int:
        """How many there were in the last ``seconds``, to the bucket."""
        at = int(now / self._bucket)
        if at != self._newest:
            self._turn(at)
        return self._total

    def _turn(self, at: int) -> None:
        for old in range(self._newest + 1, min(at, self._newest + self._size) + 1):
            place = old % self._size
            self._total -= self._counts[place]
            self._counts[place] = 0
        self._newest = at
