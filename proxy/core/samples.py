"""What operators are shown, in one shape.

Whatever has a state that operators want to see has ``describe(now)``, which gives samples. A link
has it shown with ``Shared.watch``, which adds labels. All that shows them is made from these:

- ``/api/state`` by ``admin/state``;
- ``/metrics`` by ``telemetry/metrics``, with a row in ``telemetry/metric_table`` for each name, or
  the reason why there is none;
- those of several workers are made one by ``run/workers/totals``, as the row says.

What a name begins with, ``rate_limit_``, is a family: all its samples have one set of labels, or
that and more. ``/api/state`` makes a thing of those whose labels are equal, and leaves out what
lacks one of them. So a sample of the whole process has a beginning of its own.

A counter that shall outlive a reload is not the link's own: links have it from
``shared.share((NAME, scope.identity), Counter)``.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol, TypeAlias

Labels: TypeAlias = Mapping[str, str]
NONE: Final[Labels] = MappingProxyType({})
Value: TypeAlias = int | float | str


class Kind(Enum):
    """What a value is."""

    GAUGE = "gauge"
    """A number that goes up and down; a time is in seconds, a size in bytes, yes is 1 and no 0."""
    COMMON = "common"
    """The same of something that several workers have in common: it is no sum of theirs."""
    COUNTER = "counter"
    """A number that only grows, from zero at the start of the process."""
    INFO = "info"
    """A word."""


class Sample(NamedTuple):
    """One value of one thing at one moment. A value that is not known is no sample."""

    name: str
    """What is told, with what it is told of in front: ``endpoint_in_flight``."""
    kind: Kind
    value: Value
    labels: Labels = NONE
    """Which one it is told of: ``{"upstream": "api", "endpoint": "http://10.0.0.1"}``."""


class Described(Protocol):
    """Has a state that operators are shown."""

    def describe(self, now: float) -> Iterable[Sample]:
        """Its samples; ``now`` in seconds of ``time.monotonic``."""


def gauge(name: str, value: float, labels: Labels = NONE) -> Sample:
    """A number that goes up and down."""
    return Sample(name, Kind.GAUGE, value, labels)


def common_gauge(name: str, value: float) -> Sample:
    """Such a number of what all workers have in common."""
    return Sample(name, Kind.COMMON, value, NONE)


def counter(name: str, value: float, labels: Labels = NONE) -> Sample:
    """A number that only grows."""
    return Sample(name, Kind.COUNTER, value, labels)


def info(name: str, value: str, labels: Labels = NONE) -> Sample:
    """A word."""
    return Sample(name, Kind.INFO, value, labels)


class Counts(Counter[str]):
    """What is counted by name, and shown by itself: several may count here, and it is told once."""

    __slots__ = ("_label", "_names", "_prefix")

    def __init__(self, prefix: str, *names: str, label: str = "") -> None:
        """``names`` are told as ``{prefix}_{name}``, also while they are 0; without them there is
        one name, the prefix, and what is counted stands under this ``label``."""
        super().__init__()
        self._prefix = prefix
        self._names = names
        self._label = label

    def describe(self, _: float) -> Iterator[Sample]:
        """For operators."""
        if self._names:
            for name in self._names:
                yield counter(f"{self._prefix}_{name}", self[name])
        else:
            for name, number in self.items():
                yield counter(self._prefix, number, {self._label: name})
