"""Distributions of times."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

from proxy.core.samples import Labels, Sample, counter, info

BOUNDS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0,
)  # fmt: skip
"""Upper bounds of the buckets, in seconds: those of OpenTelemetry's HTTP conventions, and minutes
behind them, since slow APIs are what the proxy is for."""
NAMES: Final = (*(f"{bound:g}" for bound in BOUNDS), "+Inf")
"""What the buckets are called; the last one takes the rest."""


class Histogram:
    """Of one kind of time."""

    __slots__ = ("_counts", "_examples", "_sum")

    def __init__(self) -> None:
        self._counts = [0] * len(NAMES)
        self._sum = 0.0
        self._examples: dict[int, tuple[str, float, float]] = {}

    def observe(self, times: Sequence[float]) -> None:
        """Count these, in seconds. Many at a time cost a tenth of what one by one would."""
        counts, left = self._counts, len(times)
        if not any(times):
            counts[0] += left
            return
        self._sum += sum(times)
        found, ordered = 0, sorted(times)
        while found < left:
            bucket = bisect_left(BOUNDS, ordered[found])
            upto = left if bucket == len(BOUNDS) else bisect_right(ordered, BOUNDS[bucket], found)
            counts[bucket] += upto - found
            found = upto

    @property
    def is_nothing(self) -> bool:
        """Whether no time was longer than nothing."""
        return not self._sum

    def exemplify(self, seconds: float, trace: str, at: float) -> None:
        """Keep a trace as the example of its bucket; ``at`` is a time of day."""
        self._examples[bisect_left(BOUNDS, seconds)] = trace, seconds, at

    def describe(self, name: str, labels: Labels) -> Iterator[Sample]:
        """``NAME_bucket`` by ``le``, each for itself, ``NAME_sum``, and ``NAME_example`` by ``le``.

        Empty buckets are left out, and nothing is told of an empty histogram. An example is the id
        of a trace, the seconds of that exchange, and when it ended, with blanks between.
        """
        if not any(self._counts):
            return
        for bucket, number in enumerate(self._counts):
            if number:
                yield counter(f"{name}_bucket", number, {**labels, "le": NAMES[bucket]})
        yield counter(f"{name}_sum", self._sum, labels)
        for bucket, (trace, seconds, at) in self._examples.items():
            example = f"{trace} {seconds:.6f} {at:.3f}"
            yield info(f"{name}_example", example, {**labels, "le": NAMES[bucket]})
