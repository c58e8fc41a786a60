"""The samples of all workers as those of one process.

Counters are added up; what a worker had counted when it ended stays in the sum, so none goes
backwards. What a worker counted after it last told, a second at most, is lost where it is killed.
Numbers that go up and down become one as ``telemetry/metric_table`` says; of what the workers have
in common the largest counts: one that has had nothing to do with it says 0. Each worker's order is
kept, so that the samples of one thing stay together.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from proxy.core.samples import Kind, Sample
from proxy.telemetry.metric_table import WORKERS

WORST: Final = ("open", "half-open", "closed")
"""Words of which the first that any worker says is shown; of others all are."""

PASSING: Final = ("tunnel_",)
"""Of things that end: what a worker counted of them ends with it."""
MEMBERS: Final = ("endpoint_", "breaker_")
"""Of servers, which come and go: counted on only while a worker still has the server."""

_encode: Final = msgspec.msgpack.Encoder(enc_hook=dict).encode
_decode: Final = msgspec.msgpack.Decoder(list[Sample]).decode


def packed(samples: Iterable[Sample]) -> bytes:
    """Samples for a link."""
    return _encode([sample._replace(labels=dict(sample.labels)) for sample in samples])


def unpacked(data: bytes) -> list[Sample]:
    """Samples from a link."""
    return _decode(data)


class Key(NamedTuple):
    """What a value is of: the same in every worker."""

    name: str
    labels: tuple[tuple[str, str], ...]
    time: int
    """How many such samples the worker has given before: they are of different things."""


class Totals:
    """Of the workers that live, and of those that have ended."""

    def __init__(self) -> None:
        self._ended: dict[Key, Sample] = {}

    def end(self, samples: Iterable[Sample]) -> None:
        """A worker has ended; these were its last samples."""
        for key, sample in keyed(samples):
            if sample.kind is Kind.COUNTER and not sample.name.startswith(PASSING):
                before = self._ended.get(key)
                self._ended[key] = sample if before is None else merged([before, sample])

    def of(self, workers: Iterable[Iterable[Sample]]) -> list[Sample]:
        """One sample for each thing."""
        found: dict[Key, list[Sample]] = {}
        order: dict[Key, tuple[int, ...]] = {}
        for number, samples in enumerate(workers):
            after: tuple[int, ...] = (-1,)
            for index, (key, sample) in enumerate(keyed(samples)):
                if key in order:
                    after = order[key]
                else:  # behind what it follows in its own worker
                    order[key] = (index,) if not number else (*after, number, index)
                found.setdefault(key, []).append(sample)
        members = {key.labels for key in found if key.name.startswith(MEMBERS)}
        rest = []
        for key, sample in self._ended.items():
            if key in found:
                found[key].append(sample)
            elif not key.name.startswith(MEMBERS) or _of(key, members):
                rest.append((key, sample))
        told = [merged(found[key]) for key in sorted(order, key=order.__getitem__)]
        return _placed(told, rest)


def _of(key: Key, members: set[tuple[tuple[str, str], ...]]) -> bool:
    """Whether a count is of a server that somebody still has."""
    labels = set(key.labels)
    return any(labels >= set(member) for member in members)


def _placed(told: list[Sample], rest: list[tuple[Key, Sample]]) -> list[Sample]:
    """``told``, with each of the ``rest`` behind the last sample that is most like it."""
    for key, sample in rest:
        family = sample.name.partition("_")[0]
        labels = set(key.labels)
        best, at = -1, len(told)
        for index, other in enumerate(told):
            if other.name.partition("_")[0] == family:
                same = len(labels & set(other.labels.items()))
                if same >= best:
                    best, at = same, index + 1
        told.insert(at, sample)
    return told


def keyed(samples: Iterable[Sample]) -> Iterable[tuple[Key, Sample]]:
    """Each with its key."""
    times: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}
    for sample in samples:
        labels = tuple(sorted(sample.labels.items()))
        time = times[sample.name, labels] = times.get((sample.name, labels), -1) + 1
        yield Key(sample.name, labels, time), sample


def merged(samples: list[Sample]) -> Sample:
    """One sample made of several of the same thing."""
    first = samples[0]
    if len(samples) == 1:
        return first
    if first.kind is Kind.INFO:
        words = dict.fromkeys(str(sample.value) for sample in samples)
        word = next((word for word in WORST if word in words), ", ".join(words))
        return first._replace(value=word)
    numbers = [sample.value for sample in samples if not isinstance(sample.value, str)]
    return first._replace(value=_number(first, numbers))


def _number(sample: Sample, values: list[int | float]) -> float:
    if sample.kind is Kind.COMMON:
        return max(values)
    fold = sum if sample.kind is Kind.COUNTER else WORKERS.get(sample.name, sum)
    return fold(values)
