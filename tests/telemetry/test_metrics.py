"""Samples as Prometheus and OpenMetrics write them."""

from collections.abc import Iterable

import pytest

from proxy.core.samples import Sample, counter, gauge, info
from proxy.telemetry.histograms import BOUNDS, Histogram
from proxy.telemetry.metric_table import METRICS, STATES, TIMES
from proxy.telemetry.metrics import in_parts
from tests.support.metrics import families, render

OPEN = "application/openmetrics-text; version=1.0.0"
LABELS = {"route": "/v1", "upstream": "api", "endpoint": "http://a"}
SERVER = {"upstream": "api", "endpoint": "http://a"}


def told(samples: Iterable[Sample], accept: str = "") -> dict[str, float]:
    """What was written, by name and the values of its labels."""
    return {
        " ".join([each.name, *(each.labels[name] for name in sorted(each.labels))]): each.value
        for family in families(render(samples, accept).body.decode(), openmetrics=bool(accept))
        for each in family.samples
        if not each.name.endswith("build_info")
    }


@pytest.mark.parametrize("accept", ["", OPEN], ids=["text", "openmetrics"])
def test_every_metric_of_the_table_can_be_read(accept: str) -> None:
    histogram = Histogram()
    histogram.observe([0.3, 1000.0])
    histogram.exemplify(0.3, "a" * 32, 1.5)
    labels = {
        **LABELS,
        **dict.fromkeys(("method", "error", "reason", "retry", "clock", "outcome", "status"), "x"),
    }
    samples = [gauge(row.sample, 1.0, labels) for row in METRICS]
    samples += [info(row.sample, words[0], labels) for row, words in STATES.items()]
    for row in TIMES:
        samples += histogram.describe(row.sample, labels)
    text = render(samples, accept).body.decode()
    found = {family.name: family for family in families(text, openmetrics=bool(accept))}
    for row in (*METRICS, *STATES, *TIMES):
        family = found[f"{row.prefix}{row.name}"]
        assert family.type == row.type.value
        assert family.documentation == row.help
        assert set(row.labels) <= {name for each in family.samples for name in each.labels}
        if accept:
            assert family.unit == row.unit


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
        ),
    ],
)
def test_the_format_is_the_one_that_was_asked_for(accept: str, expected: str) -> None:
    answer = render([gauge("requests_in_flight", 1)], accept)
    assert answer.content_type == expected
    assert answer.body.endswith(b"# EOF\n") == ("openmetrics" in expected)


def test_samples_with_the_same_labels_become_one_as_their_row_says() -> None:
    """Two routes may have one path, and workers have equal labels."""
    samples = [
        counter("rate_limit_refused", 2, {"route": "/v1"}),
        counter("rate_limit_refused", 3, {"route": "/v1"}),
        gauge("hedge_delay_seconds", 0.5, {"route": "/v1", "upstream": "api"}),
        gauge("hedge_delay_seconds", 0.7, {"route": "/v1", "upstream": "api"}),
        gauge("endpoint_healthy", 1, SERVER),
        gauge("endpoint_healthy", 0, SERVER),
        gauge("endpoint_quota_paths", 2, SERVER),
        gauge("endpoint_quota_paths", 3, SERVER),
        gauge("served_latency_seconds", 0.5, SERVER),
        gauge("served_latency_seconds", 0.7, SERVER),
        gauge("retry_budget_spent", 2, {"upstream": "api"}),
        gauge("retry_budget_spent", 3, {"upstream": "api"}),
        gauge("retry_budget_available", 30, {"upstream": "api"}),
        gauge("retry_budget_available", 0, {"upstream": "api"}),
    ]
    assert told(samples) == {
        "sidecar_proxy_rate_limit_refused_total /v1": 5,
        "sidecar_proxy_hedge_delay_seconds /v1 api": 0.7,
        "sidecar_proxy_endpoint_healthy http://a api": 0,
        "sidecar_proxy_endpoint_quota_paths http://a api": 3,
        "sidecar_proxy_endpoint_latency_seconds http://a api": pytest.approx(0.6),
        "sidecar_proxy_retry_budget_spent api": 5,
        "sidecar_proxy_retry_budget_available api": 0,
    }


def test_what_has_no_name_in_the_configuration_is_other() -> None:
    samples = [
        counter("requests", 1, {"route": "", "upstream": "", "method": "GET", "status": "404"}),
        counter("requests", 2, {"route": "", "upstream": "", "method": "GET", "status": "777"}),
        counter("requests", 4, {"route": "", "upstream": "", "method": "GET", "status": "999"}),
        counter("served_attempts", 1, SERVER | {"outcome": "666"}),
        counter("served_attempts", 1, SERVER | {"outcome": "reset"}),
    ]
    assert told(samples) == {
        "sidecar_proxy_requests_total GET other 404 other": 1,
        "sidecar_proxy_requests_total GET other other other": 6,
        "sidecar_proxy_attempts_total http://a other api": 1,
        "sidecar_proxy_attempts_total http://a reset api": 1,
    }


def test_labels_that_no_row_names_are_dropped() -> None:
    samples = [
        gauge("requests_in_flight", 1, {"worker": "1"}),
        gauge("requests_in_flight", 2, {"worker": "2"}),
        gauge("never_heard_of", 1),
    ]
    assert told(samples) == {"sidecar_proxy_requests_in_flight": 3}


def test_names_cannot_break_out_of_their_quotes() -> None:
    route = 'a"} 1\nevil{x="\\'
    assert told([counter("rate_limit_refused", 1, {"route": route})], OPEN) == {
        f"sidecar_proxy_rate_limit_refused_total {route}": 1
    }


def test_a_breaker_is_in_one_state() -> None:
    assert told([info("breaker_state", "half-open", LABELS)]) == {
        "sidecar_proxy_breaker_state http://a /v1 closed api": 0,
        "sidecar_proxy_breaker_state http://a /v1 open api": 0,
        "sidecar_proxy_breaker_state http://a /v1 half-open api": 1,
    }


def test_buckets_grow_and_end_with_all() -> None:
    one, other = Histogram(), Histogram()
    one.observe([0.001, 0.3, 2000.0])
    other.observe([0.3])
    labels = {"route": "/v1", "upstream": "api"}
    samples = [*one.describe("time_total", labels), *other.describe("time_total", labels)]
    [_, family] = families(render(samples, OPEN).body.decode(), openmetrics=True)
    found = {each.labels["le"]: each.value for each in family.samples if "le" in each.labels}
    assert list(found) == [*map(str, BOUNDS), "+Inf"]
    assert (found["0.001"], found["0.25"], found["0.5"], found["600.0"]) == (1, 1, 3, 3)
    assert found["+Inf"] == 4
    sums = {each.name: each.value for each in family.samples if "le" not in each.labels}
    assert sums["sidecar_proxy_request_duration_seconds_count"] == 4
    assert sums["sidecar_proxy_request_duration_seconds_sum"] == pytest.approx(2000.601)


@pytest.mark.parametrize("merged", [False, True], ids=["apart", "of workers"])
def test_an_example_names_its_trace_and_the_latest_one_counts(merged: bool) -> None:
    one, other = Histogram(), Histogram()
    for histogram, trace, at in ((one, "a", 20.0), (other, "b", 9.0)):
        histogram.observe([0.3])
        histogram.exemplify(0.3, trace * 32, at)
    labels = {"route": "/v1", "upstream": "api"}
    samples = [*one.describe("time_total", labels), *other.describe("time_total", labels)]
    if merged:
        told = [str(each.value) for each in samples if each.name == "time_total_example"]
        samples = [each for each in samples if each.name != "time_total_example"]
        samples.append(info("time_total_example", ", ".join(told), {**labels, "le": "0.5"}))
    [_, family] = families(render(samples, OPEN).body.decode(), openmetrics=True)
    examples = [each.exemplar for each in family.samples if each.exemplar]
    [example] = examples
    assert (example.labels, example.value) == ({"trace_id": "a" * 32}, 0.3)
    assert float(example.timestamp) == 20.0


@pytest.mark.parametrize("accept", ["", OPEN], ids=["text", "openmetrics"])
def test_hundreds_of_routes_are_written_in_short_parts(accept: str) -> None:
    samples: list[Sample] = []
    for number in range(500):
        labels = {"route": f"/{number}", "upstream": "api", "method": "GET", "status": "200"}
        samples.append(counter("requests", number, labels))
        samples.append(info("breaker_state", "open", {**labels, "endpoint": "http://a"}))
        histogram = Histogram()
        histogram.observe([number / 1000])
        histogram.exemplify(number / 1000, f"{number:032x}", 1.5)
        samples += histogram.describe("time_total", labels)
    parts = list(in_parts(samples, accept)[0])
    assert max(part.count(b"\n") for part in parts) < 80
    text = b"".join(parts).decode()
    assert text == render(samples, accept).body.decode()
    assert text.count("# TYPE sidecar_proxy_request_duration_seconds ") == 1
    [_, requests, states, times] = families(text, openmetrics=bool(accept))
    assert [each.value for each in requests.samples] == [*range(500)]
    assert len(states.samples) == 3 * 500
    counts = [each for each in times.samples if each.name.endswith("_count")]
    assert {each.labels["route"] for each in counts} == {f"/{number}" for number in range(500)}
    assert {each.value for each in counts} == {1}
