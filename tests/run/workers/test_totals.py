"""Samples of several workers as those of one."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.admin.state import state
from proxy.core.samples import NONE, Kind, Sample, common_gauge, counter, gauge, info
from proxy.run.workers.totals import Totals, packed, unpacked
from proxy.telemetry.metric_table import WORKERS

API = {"route": "/"}


def _told(samples: Iterable[Sample]) -> list[tuple[str, object]]:
    return [(" ".join([each.name, *each.labels.values()]), each.value) for each in samples]


def test_counters_are_added_up() -> None:
    one = [counter("route_requests", 3, API), counter("route_attempts", 4, API)]
    two = [counter("route_requests", 5, API), counter("route_attempts", 5, API)]
    assert _told(Totals().of([one, two])) == [("route_requests /", 8), ("route_attempts /", 9)]


def test_what_a_worker_had_counted_stays_when_it_has_ended() -> None:
    totals = Totals()
    totals.end([counter("route_requests", 3, API)])
    totals.end([counter("route_requests", 4, API), gauge("endpoint_in_flight", 9)])
    assert _told(totals.of([[counter("route_requests", 1, API)]])) == [("route_requests /", 8)]
    assert _told(totals.of([])) == [("route_requests /", 7)]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9), st.booleans()), max_size=40),
)
def test_no_counter_goes_backwards_whoever_ends(steps: list[tuple[int, int, bool]]) -> None:
    totals, counts, shown = Totals(), [0, 0, 0], 0.0
    for worker, more, ends in steps:
        counts[worker] += more
        if ends:
            totals.end([counter("route_requests", counts[worker], API)])
            counts[worker] = 0
        [sample] = totals.of([[counter("route_requests", each, API)] for each in counts])
        assert isinstance(sample.value, int | float)
        assert sample.value >= shown
        shown = sample.value
    assert shown == sum(more for _, more, _ in steps)


@pytest.mark.parametrize(
    ("name", "values", "value"),
    [
        ("endpoint_in_flight", [2, 3], 5),
        ("endpoint_healthy", [1, 0], 0),
        ("endpoint_weight", [2, 2], 2),
        ("endpoint_paused_seconds", [0.0, 7.5], 7.5),
        ("endpoint_quota_remaining", [9, 4], 4),
        ("served_latency_seconds", [0.1, 0.3], 0.2),
        ("hedge_delay_seconds", [0.1, 0.3], 0.2),
        ("rate_limit_keys", [3, 5], 5),
        ("endpoint_quota_paths", [3, 5], 5),
        ("endpoint_quota_credentials", [3, 5], 5),
        ("retry_budget_available", [3, 5], 8),
        ("retry_budget_percent", [20, 20], 20),
        ("retry_budget_min_per_second", [1.5, 1.5], 3),
        ("concurrency_key_longest_seconds", [1.0, 2.5], 2.5),
        ("unheard_of", [1, 2], 3),
    ],
)
def test_numbers_that_go_up_and_down(name: str, values: list[float], value: float) -> None:
    [sample] = Totals().of([[gauge(name, each)] for each in values])
    assert sample.value == pytest.approx(value)
    assert sample.kind is Kind.GAUGE


def test_what_workers_have_in_common_is_not_added_up() -> None:
    workers = [unpacked(packed([common_gauge("store_bytes", each)])) for each in (70, 72, 0)]
    assert _told(Totals().of(workers)) == [("store_bytes", 72)]


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (["closed", "closed"], "closed"),
        (["closed", "open"], "open"),
        (["half-open", "closed"], "half-open"),
        (["a", "b", "a"], "a, b"),
    ],
)
def test_of_words_the_worst_is_shown_or_all(words: list[str], word: str) -> None:
    [sample] = Totals().of([[info("breaker_state", each)] for each in words])
    assert sample.value == word


def test_what_only_one_worker_tells_stands_beside_what_it_belongs_to() -> None:
    other = {"route": "/other"}
    one = [counter("route_requests", 1, API), counter("route_requests", 1, other)]
    two = [
        counter("route_requests", 1, API),
        counter("route_status", 1, {**API, "status": "404"}),
        counter("route_requests", 1, other),
        counter("route_status", 1, {**other, "status": "500"}),
    ]
    expected = [
        ("route_requests /", 2),
        ("route_status / 404", 1),
        ("route_requests /other", 2),
        ("route_status /other 500", 1),
    ]
    assert _told(Totals().of([one, two])) == expected
    assert _told(Totals().of([two, one])) == expected
    totals = Totals()
    totals.end(two)
    one_and_ended = totals.of([one])
    assert state(one_and_ended)["counters"] == {
        "/": {"requests": 2, "status 404": 1},
        "/other": {"requests": 2, "status 500": 1},
    }


def test_things_with_the_same_labels_stay_apart() -> None:
    samples = [gauge("resumable_streams", 1), gauge("resumable_streams", 5)]
    assert [each.value for each in Totals().of([samples, samples])] == [2, 10]


def test_counts_of_a_server_that_nobody_has_any_more_are_not_shown() -> None:
    gone, there = {"endpoint": "http://a"}, {"endpoint": "http://b"}
    totals = Totals()
    totals.end(
        [
            counter("endpoint_attempts", 1, {**gone, "outcome": "200"}),
            counter("endpoint_attempts", 2, {**there, "outcome": "200"}),
            counter("tunnel_bytes_in", 3, {"request_id": "x"}),
        ]
    )
    shown = totals.of([[gauge("endpoint_weight", 1, there)]])
    assert _told(shown) == [("endpoint_weight http://b", 1), ("endpoint_attempts http://b 200", 2)]


def test_samples_pass_a_link_unchanged() -> None:
    samples = [
        gauge("a", 1.5),
        gauge("b", float("inf")),
        counter("c", 2**60, {"route": "/é"}),
        info("d", "open", NONE),
    ]
    assert unpacked(packed(samples)) == samples


GIVEN = re.compile(r'\b(?:common_)?gauge\(\s*f?"([a-z_]+)"')


def test_it_is_known_of_every_number_how_to_merge_it() -> None:
    names = {
        name
        for path in Path("proxy").rglob("*.py")
        if "workers" not in path.parts
        for name in GIVEN.findall(path.read_text())
    }
    assert len(names) > 20
    unknown = names - WORKERS.keys()
    assert unknown == set(), "say in telemetry/metric_table how those of several workers are merged"
    of_workers = {name for name in WORKERS if name.startswith(("worker_", "workers_"))}
    assert WORKERS.keys() - names - of_workers == set(), "nobody tells these any more"
