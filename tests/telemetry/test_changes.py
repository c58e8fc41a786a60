"""Changes of state, found by looking."""

import pytest

from proxy.core.samples import Sample, gauge, info
from proxy.telemetry.changes import Changes

LABELS = {"upstream": "api", "endpoint": "http://10.0.0.2:9000"}


@pytest.mark.parametrize(
    ("before", "after", "kind", "text"),
    [
        (
            info("breaker_state", "closed", {**LABELS, "route": "/v1"}),
            info("breaker_state", "open", {**LABELS, "route": "/v1"}),
            "breaker",
            "api (10.0.0.2:9000): ejected (breaker closed -> open)",
        ),
        (
            gauge("endpoint_healthy", 1, LABELS),
            gauge("endpoint_healthy", 0, LABELS),
            "health",
            "api (10.0.0.2:9000): fails its health checks",
        ),
        (
            gauge("endpoint_withdrawn", 0, LABELS),
            gauge("endpoint_withdrawn", 1, LABELS),
            "operator",
            "api (10.0.0.2:9000): withdrawn by an operator",
        ),
        (
            gauge("endpoint_paused_seconds", 0.0, LABELS),
            gauge("endpoint_paused_seconds", 20.0, LABELS),
            "pause",
            "api (10.0.0.2:9000): asked to be left alone for 20 s",
        ),
        (
            gauge("concurrency_limit", 100, {"upstream": "api"}),
            gauge("concurrency_limit", 60, {"upstream": "api"}),
            "limit",
            "api: the limit of requests moved from 100 to 60",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 10 else "",
)
def test_a_change_is_an_event(before: Sample, after: Sample, kind: str, text: str) -> None:
    changes = Changes()
    assert changes.look([before], 1.0) == []
    assert changes.look([before], 2.0) == []
    [event] = changes.look([after], 3.0)
    assert (event.at, event.kind, event.text, event.upstream) == (3.0, kind, text, "api")
    assert changes.look([after], 4.0) == []
    [back] = changes.look([before], 5.0)
    assert back.kind == kind


def test_a_pause_that_only_runs_down_is_no_change() -> None:
    changes = Changes()
    for left in (20.0, 19.0, 18.0):
        assert changes.look([gauge("endpoint_paused_seconds", left, LABELS)], 1.0) == []


def test_a_limit_that_moves_a_little_at_a_time_is_told_when_it_has_moved_far() -> None:
    changes = Changes()
    told = [
        event
        for limit in range(100, 50, -5)
        for event in changes.look([gauge("concurrency_limit", limit, {"upstream": "api"})], 1.0)
    ]
    moved = [event.text.rpartition("from ")[2] for event in told]
    assert moved == ["100 to 75", "75 to 55"]
