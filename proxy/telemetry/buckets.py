"""Durations in buckets: what a histogram counts, and what can be read from one.

A bucket spans a quarter of an octave, so what is read from a histogram is wrong by an eighth at
most. The buckets are the same everywhere, so histograms of several seconds, routes or processes
are added up by adding their counts. Bucket 0 holds all below 0.25 ms; the last one, all above
about two hours.
"""

from collections.abc import Iterable, Mapping
from typing import Final

_UNIT: Final = 16384
"""Parts of a second that are told apart: 61 microseconds, a quarter of the first bucket's end."""
LAST: Final = 100


def bucket(seconds: float) -> int:
    """The number of the bucket that a duration belongs to."""
    units = int(seconds * _UNIT)
    if units < 4:
        return 0
    octave = units.bit_length() - 3
    return min(octave * 4 + (units >> octave) - 3, LAST)


def begin(number: int) -> float:
    """Seconds from which on a bucket counts."""
    if number <= 0:
        return 0.0
    octave, part = divmod(number - 1, 4)
    return float((part + 4) << octave) / _UNIT


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
