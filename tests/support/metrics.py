"""What ``/metrics`` tells, as the parsers of prometheus_client read it."""

from typing import Any

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser


def families(text: str, *, openmetrics: bool) -> list[Any]:
    """Each metric with its samples, in the order in which they are written."""
    read: Any = openmetrics_parser if openmetrics else parser
    return list(read.text_string_to_metric_families(text))
