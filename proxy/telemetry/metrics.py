"""``/metrics``: samples as Prometheus and OpenMetrics write them.

Nothing is kept here and no registry is global. What is written is what one call to ``describe``
gave, of this process or of all workers together; ``telemetry/metric_table`` says what becomes of
each sample. This module imports prometheus_client, so it is imported only where there is an
``[admin]``.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from importlib.metadata import version
from platform import python_version
from typing import Final, NamedTuple, TypeAlias, TypeVar

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
_T = TypeVar("_T")


class Rendered(NamedTuple):
    """An answer."""

    body: bytes
    content_type: str


def render(samples: Iterable[Sample], accept: str = "") -> Rendered:
    """In the format that ``Accept`` asks for: OpenMetrics with examples, or Prometheus's text."""
    encode, content_type = exposition.choose_encoder(accept)
    return Rendered(encode(_Collected(list(families(samples)))), content_type)


class _Collected(Collector):
    """What prometheus_client's writers ask for."""

    def __init__(self, found: list[Family]) -> None:
        self._found = found

    def collect(self) -> list[Family]:
        return self._found


def families(samples: Iterable[Sample]) -> Iterator[Family]:
    """In the order of the tables; a metric without any sample is left out."""
    by_name: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_name[sample.name].append(sample)
    yield _build()
    for metric in METRICS:
        if told := by_name.get(metric.sample):
            yield _numbers(metric, told)
    for metric, words in STATES.items():
        if told := by_name.get(metric.sample):
            yield _states(metric, words, told)
    for metric in TIMES:
        if told := by_name.get(f"{metric.sample}_bucket"):
            sums = by_name[f"{metric.sample}_sum"]
            yield _times(metric, told, sums, by_name[f"{metric.sample}_example"])


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


def _numbers(metric: Metric, samples: list[Sample]) -> Family:
    found: defaultdict[_Key, list[float]] = defaultdict(list)
    for sample in samples:
        found[_key(sample.labels, metric.source or metric.labels)].append(float(sample.value))
    family = _family(metric)
    for key, values in found.items():
        family.add_metric(key, metric.fold(values))
    return family


def _states(metric: Metric, words: tuple[str, ...], samples: list[Sample]) -> Family:
    family = _family(metric)
    of = metric.labels[:-1]
    found: defaultdict[_Key, list[str]] = defaultdict(list)
    for sample in samples:
        found[_key(sample.labels, of)].append(str(sample.value))
    for key, values in found.items():
        for word in words:
            family.add_metric((*key, word), values.count(word))
    return family


def _times(
    metric: Metric, buckets: list[Sample], sums: list[Sample], examples: list[Sample]
) -> Family:
    counts = _by_bucket(metric, buckets, lambda known, new: known + float(new), 0.0)
    latest = _by_bucket(metric, examples, _later, "")
    totals: defaultdict[_Key, float] = defaultdict(float)
    for sample in sums:
        totals[_key(sample.labels, metric.labels)] += float(sample.value)
    name = f"{metric.prefix}{metric.name}"
    family = HistogramMetricFamily(name, metric.help, labels=metric.labels, unit=metric.unit)
    for key, found in counts.items():
        shown = latest.get(key, {})
        upto = 0.0
        rows: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
        for bucket in NAMES:
            upto += found.get(bucket, 0.0)
            example = _exemplar(shown[bucket]) if bucket in shown else None
            rows.append((_LE[bucket], upto, example) if example else (_LE[bucket], upto))
        family.add_metric(key, rows, totals[key])
    return family


def _by_bucket(
    metric: Metric, samples: list[Sample], fold: Callable[[_T, str | float], _T], nothing: _T
) -> dict[_Key, dict[str, _T]]:
    found: defaultdict[_Key, dict[str, _T]] = defaultdict(dict)
    for sample in samples:
        row = found[_key(sample.labels, metric.labels)]
        bucket = sample.labels["le"]
        row[bucket] = fold(row.get(bucket, nothing), sample.value)
    return found


def _later(known: str, new: str | float) -> str:
    """Of these examples the one that ended last; workers' are told with commas between."""
    told = [known, *str(new).split(", ")] if known else str(new).split(", ")
    return max(told, key=lambda example: float(example.split()[2]))


def _exemplar(example: str) -> Exemplar:
    trace, seconds, at = example.split()
    return Exemplar({"trace_id": trace}, float(seconds), float(at))
