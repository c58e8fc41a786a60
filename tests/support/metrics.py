"""What ``/metrics`` tells, as the parsers of prometheus_client read it."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from proxy.core.samples import Sample
from proxy.telemetry.metrics import in_parts


def families(text: str, *, openmetrics: bool) -> list[Any]:
    """Each metric with its samples, in the order in which they are written."""
    read: Any = openmetrics_parser if openmetrics else parser
    return list(read.text_string_to_metric_families(text))


class Rendered(NamedTuple):
    """An answer."""

    body: bytes
    content_type: str


def render(samples: Iterable[Sample], accept: str = "") -> Rendered:
    """All parts of what a scraper with this ``Accept`` gets."""
    parts, content_type = in_parts(samples, accept)
    return Rendered(b"".join(parts), content_type)
