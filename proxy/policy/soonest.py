"""How soon something has been done lately, for each of many things."""

import math
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

KEYS: Final = 256
"""Things that are known at a time; what has not been seen for the longest time is forgotten."""
BUCKET: Final = 30.0
BUCKETS: Final = 10
"""What happened in the last 5 minutes counts, in steps of 30 seconds."""
ENOUGH: Final = 20
"""Answers below which nothing is known."""


class _Times:
    """The quickest answer of each of the last buckets, and how many there were; newest first.

    None of what was before the first one.
    """

    __slots__ = ("bucket", "counts", "least")

    def __init__(self, bucket: int, seconds: float) -> None:
        self.bucket = bucket
        self.least = [seconds]
        self.counts = [1]

    def turn(self, bucket: int) -> None:
        """A later bucket has begun."""
        gone = min(bucket - self.bucket, BUCKETS)
        self.bucket = bucket
        self.least = ([math.inf] * gone + self.least)[:BUCKETS]
        self.counts = ([0] * gone + self.counts)[:BUCKETS]


class Soonest:
    """An estimate that errs towards trying.

    Whoever has less time than the quickest answer of the last minutes took is probably too late.
    Means and medians would be wrong about whatever is quicker than most: one path, one size, one
    model among others that take long.
    """

    __slots__ = ("_known", "_most")

    def __init__(self, keys: int = KEYS) -> None:
        self._most = keys
        self._known: OrderedDict[Hashable, _Times | tuple[int, float]] = OrderedDict()
        """Of a key that came once, as most targets do, its bucket and its seconds."""

    def observe(self, key: Hashable, seconds: float, now: float) -> None:
        """A request with this key took so many ``seconds``."""
        known, bucket = self._known, int(now / BUCKET)
        times = known.get(key)
        if times is None:
            known[key] = bucket, seconds
            if len(known) > self._most:
                known.popitem(last=False)
            return
        if isinstance(times, tuple):
            times = known[key] = _Times(*times)
        known.move_to_end(key)
        if bucket != times.bucket:
            times.turn(bucket)
        times.counts[0] += 1
        times.least[0] = min(times.least[0], seconds)

    def value(self, key: Hashable, now: float) -> float | None:
        """Seconds that it took at the least; None where too little is known."""
        times = self._known.get(key)
        if times is None or isinstance(times, tuple):
            return None
        bucket = int(now / BUCKET)
        if bucket != times.bucket:
            times.turn(bucket)
        return min(times.least) if sum(times.counts) >= ENOUGH else None
