"""Durations in buckets: what a histogram counts, and what can be read from one.

A bucket spans a quarter of an octave, so what is read from a histogram is wrong by an eighth at
most. The buckets are the same everywhere, so histograms of several seconds, routes or processes
are added up by adding their counts. Bucket 0 holds all below 0.25 ms; the last one, all above
about two hours.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

_UNIT: Final = 16384
"""Parts of a second that are told apart: 61 microseconds, a quarter of the first bucket's end."""
LAST: Final = 100


def begin(number: int) -> float:
    """Seconds from which on a bucket counts."""
    if number <= 0:
        return 0.0
    octave, part = divmod(number - 1, 4)
    return float((part + 4) << octave) / _UNIT


_ENDS: Final = [begin(number + 1) for number in range(LAST)]


def bucket(seconds: float) -> int:
    """The number of the bucket that a duration belongs to."""
    return bisect_right(_ENDS, seconds)


def histogram(ordered: Sequence[float]) -> dict[int, int]:
    """How many of these durations, the shortest first, are in each bucket."""
    counts: dict[int, int] = {}
    found, number = 0, len(ordered)
    while found < number:
        at = bisect_right(_ENDS, ordered[found])
        upto = number if at == LAST else bisect_left(ordered, _ENDS[at], found)
        counts[at] = upto - found
        found = upto
    return counts


def quantile(counts: Mapping[int, int], share: float) -> float | None:
    """Seconds that this share of all did not exceed: the middle of its bucket. None of none."""
    left = share * sum(counts.values())
    if not counts:
        return None
    for number in sorted(counts):
        left -= counts[number]
        if left <= 0:
            break
    return (begin(number) + begin(number + 1)) / 2


def add(into: dict[int, int], more: Iterable[tuple[int, int]]) -> None:
    """Add the counts of another histogram."""
    for number, count in more:
        into[number] = into.get(number, 0) + count
