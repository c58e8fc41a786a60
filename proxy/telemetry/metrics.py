"""``/metrics``: samples as Prometheus and OpenMetrics write them.

Nothing is kept here and no registry is global. What is written is what one call to ``describe``
gave, of this process or of all workers together; ``telemetry/metric_table`` says what becomes of
each sample. This module imports prometheus_client, so it is imported only where there is an
``[admin]``.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from importlib.metadata import version
from itertools import islice
from platform import python_version
from typing import Final, TypeAlias

from prometheus_client import exposition
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from proxy import __version__
from proxy.core.samples import Sample
from proxy.telemetry.histograms import BOUNDS, NAMES
from proxy.telemetry.metric_table import METRICS, PREFIX, STATES, TIMES, Metric, Type
from proxy.telemetry.traffic import OTHER

_STATUSES: Final = frozenset(str(status.value) for status in HTTPStatus) | {"499", "529"}
"""Those that are told apart; an upstream may send any number."""
_LE: Final = {
    name: "+Inf" if name == "+Inf" else repr(bound)
    for name, bound in zip(NAMES, (*BOUNDS, float("inf")), strict=True)
}
"""Buckets, as both formats write their bounds."""

_Key: TypeAlias = tuple[str, ...]
_ByKey: TypeAlias = defaultdict[_Key, list[Sample]]
_HEAD: Final = re.compile(rb"\A(?:#[^\n]*\n)*")
"""What a metric is, in front of its samples."""
_NUMBERS: Final = 64
"""Lines that are written at once."""
_HISTOGRAMS: Final = 3
"""Histograms: 63 lines."""
_LOOKED_AT: Final = 512
"""Samples that are put in order at once."""


def in_parts(samples: Iterable[Sample], accept: str) -> tuple[Iterator[bytes], str]:
    """In the format that ``Accept`` asks for: OpenMetrics with examples, or Prometheus's text.

    The parts of the answer, each of which takes about two milliseconds and may be empty, and its
    content type.
    """
    encode, content_type = exposition.choose_encoder(accept)
    return _parts(samples, encode), content_type


def _parts(samples: Iterable[Sample], encode: Callable[[Collector], bytes]) -> Iterator[bytes]:
    end = encode(_Collected([]))  # OpenMetrics has one
    name = ""
    for family in families(samples):
        text = b"" if family is None else encode(_Collected([family])).removesuffix(end)
        if family is not None and family.name == name:  # its head has been written
            text = _HEAD.sub(b"", text, count=1)
        name = name if family is None else family.name
        yield text
    yield end


class _Collected(Collector):
    """What prometheus_client's writers ask for."""

    def __init__(self, found: list[Family]) -> None:
        self._found = found

    def collect(self) -> list[Family]:
        return self._found


def families(samples: Iterable[Sample]) -> Iterator[Family | None]:
    """In the order of the tables; a metric without any sample is left out.

    One with many samples comes in several parts, one behind the other. None says that something
    else may be done for once.
    """
    by_name: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_name[sample.name].append(sample)
    yield _build()
    for metric in METRICS:
        if told := by_name.get(metric.sample):
            yield from _numbers(metric, told)
    for metric, words in STATES.items():
        if told := by_name.get(metric.sample):
            yield from _states(metric, words, told)
    for metric in TIMES:
        if told := by_name.get(f"{metric.sample}_bucket"):
            sums = by_name[f"{metric.sample}_sum"]
            yield from _times(metric, [*told, *sums, *by_name[f"{metric.sample}_example"]])


def _build() -> Family:
    family = InfoMetricFamily(f"{PREFIX}build", "Versions of the proxy and of what it runs on.")
    versions = {
        "version": __version__,
        "python": python_version(),
        "aiohttp": version("aiohttp"),
    }
    family.add_metric((), versions)
    return family


def _key(labels: Mapping[str, str], names: Iterable[str]) -> _Key:
    return tuple(_bounded(name, labels.get(name, "")) for name in names)


def _bounded(name: str, value: str) -> str:
    """A value that there are only a few of."""
    if name in ("status", "outcome") and value.isdecimal():
        return value if value in _STATUSES else OTHER
    return value or OTHER


def _family(metric: Metric) -> GaugeMetricFamily | CounterMetricFamily:
    make = CounterMetricFamily if metric.type is Type.COUNTER else GaugeMetricFamily
    name = f"{metric.prefix}{metric.name}"
    return make(name, metric.help, labels=metric.labels, unit=metric.unit)


def _numbers(metric: Metric, samples: list[Sample]) -> Iterator[Family | None]:
    by_key: _ByKey = defaultdict(list)
    yield from _sort(by_key, samples, metric.source or metric.labels)
    for some in _some(by_key, _NUMBERS):
        family = _family(metric)
        for key in some:
            family.add_metric(key, metric.fold([float(each.value) for each in by_key[key]]))
        yield family


def _states(
    metric: Metric, words: tuple[str, ...], samples: list[Sample]
) -> Iterator[Family | None]:
    by_key: _ByKey = defaultdict(list)
    yield from _sort(by_key, samples, metric.labels[:-1])
    for some in _some(by_key, _NUMBERS // len(words)):
        family = _family(metric)
        for key in some:
            values = [str(each.value) for each in by_key[key]]
            for word in words:
                family.add_metric((*key, word), values.count(word))
        yield family


def _times(metric: Metric, samples: list[Sample]) -> Iterator[Family | None]:
    name = f"{metric.prefix}{metric.name}"
    by_key: _ByKey = defaultdict(list)
    yield from _sort(by_key, samples, metric.labels)
    for some in _some(by_key, _HISTOGRAMS):
        family = HistogramMetricFamily(name, metric.help, labels=metric.labels, unit=metric.unit)
        for key in some:
            _add(family, key, by_key[key])
        yield family


def _sort(by_key: _ByKey, samples: Iterable[Sample], labels: tuple[str, ...]) -> Iterator[None]:
    for number, sample in enumerate(samples, 1):
        by_key[_key(sample.labels, labels)].append(sample)
        if not number % _LOOKED_AT:
            yield None


def _some(keys: Iterable[_Key], number: int) -> Iterator[list[_Key]]:
    """So many at a time."""
    left = iter(keys)
    while some := list(islice(left, number)):
        yield some


def _add(family: HistogramMetricFamily, key: _Key, samples: list[Sample]) -> None:
    """The histograms that have these labels, as one."""
    counts: defaultdict[str, float] = defaultdict(float)
    shown: dict[str, str] = {}
    total = 0.0
    for sample in samples:
        bucket = sample.labels.get("le")
        if bucket is None:
            total += float(sample.value)
        elif sample.name.endswith("_example"):
            shown[bucket] = _later(shown.get(bucket, ""), sample.value)
        else:
            counts[bucket] += float(sample.value)
    upto = 0.0
    rows: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
    for bucket in NAMES:
        upto += counts[bucket]
        example = _exemplar(shown[bucket]) if bucket in shown else None
        rows.append((_LE[bucket], upto, example) if example else (_LE[bucket], upto))
    family.add_metric(key, rows, total)


def _later(known: str, new: str | float) -> str:
    """Of these examples the one that ended last; workers' are told with commas between."""
    told = [known, *str(new).split(", ")] if known else str(new).split(", ")
    return max(told, key=lambda example: float(example.split()[2]))


def _exemplar(example: str) -> Exemplar:
    trace, seconds, at = example.split()
    return Exemplar({"trace_id": trace}, float(seconds), float(at))
