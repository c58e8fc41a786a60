"""Spans that wait for the collector."""

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from proxy.core.exchange import Exchange
from proxy.telemetry.otlp import BATCH, OFTEN, Tracer
from proxy.telemetry.spans import Spans

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def tracer(slow: float = 0.0) -> Tracer:
    return Tracer(Spans((), lambda bits: 5), "shop", slow, lambda: 1_000_000.0)


def ended(flags: str = "01", status: int = 200) -> Exchange:
    exchange = Exchange(
        "GET", b"/", [(b"traceparent", f"00-{TRACE}-{'a' * 16}-{flags}".encode())], b"/"
    )
    exchange.started_at, exchange.status = 100.0, status
    return exchange


@pytest.mark.parametrize(
    ("flags", "status", "slow", "kept"),
    [
        ("01", 200, 0.0, 1),
        ("00", 200, 0.0, 0),
        ("00", 503, 0.0, 1),
        ("00", 200, 1.0, 1),
        ("00", 200, 1.1, 0),
        ("0x", 200, 0.0, 0),
        ("0x", 400, 0.0, 0),
        ("", 503, 0.0, 1),
    ],
)
def test_what_is_kept(flags: str, status: int, slow: float, kept: int) -> None:
    found = tracer(slow)
    found.record(ended(flags, status), 101.0)
    assert found.waiting == kept


def test_times_are_those_of_the_day() -> None:
    found = tracer()
    found.record(ended(), 101.0)
    number, body = found.batch()
    assert (number, found.waiting, found.waiting_bytes) == (1, 0, 0)
    [resource] = ExportTraceServiceRequest.FromString(body).resource_spans
    [span] = resource.scope_spans[0].spans
    assert span.start_time_unix_nano == 1_000_100 * 10**9
    assert span.end_time_unix_nano == 1_000_101 * 10**9
    assert span.trace_id.hex() == TRACE


def test_what_waits_has_a_bound_and_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.telemetry.otlp.MOST", 5_000)
    found = tracer()
    for _ in range(100):
        found.record(ended(), 101.0)
    assert 10 < found.waiting < 100
    assert found.waiting + found.dropped == 100
    assert found.waiting_bytes <= 5_000
    assert {each.name: each.value for each in found.describe(0.0)} == {
        "trace_spans_sent": 0,
        "trace_spans_dropped": found.dropped,
        "trace_waiting_bytes": found.waiting_bytes,
    }


def test_a_batch_has_its_size() -> None:
    found = tracer()
    for _ in range(BATCH + 3):
        found.record(ended(), 101.0)
    assert [found.batch()[0], found.batch()[0]] == [BATCH, 3]


def test_it_says_when_spans_begin_to_wait() -> None:
    found, told = tracer(), []
    found.on_spans = lambda: told.append(1)
    for _ in range(3):
        found.record(ended(), 101.0)
    assert told == [1]


def received(found: Tracer) -> list[Span]:
    """What the next batch holds, as a collector reads it."""
    [resource] = ExportTraceServiceRequest.FromString(found.batch()[1]).resource_spans
    return list(resource.scope_spans[0].spans)


def test_what_was_encoded_before_is_the_same_the_next_time() -> None:
    """Attributes that come again, with events and a failure; and after too many have come."""
    found = tracer()
    failed = ended(status=503)
    failed.record.first_byte_at = 100.5
    first, others = failed, []
    found.record(first, 101.0)
    for number in range(OFTEN * 2):
        other = ended()
        other.host = f"h{number}"
        others.append(other)
        found.record(other, 101.0)
    found.record(first, 101.0)
    spans = []
    while found.waiting:
        spans += received(found)
    assert spans[0] == spans[-1]
    assert [each.name for each in spans[0].events] == ["first_byte"]
    assert spans[0].status.code == 2
    assert spans[1].status.code == 0
    hosts = [
        each.value.string_value
        for span in spans
        for each in span.attributes
        if each.key == "server.address"
    ]
    assert hosts == [other.host for other in others]


def test_a_number_is_no_truth_and_no_text() -> None:
    found = tracer()
    for value in (1, True, "1", 1.0):
        span = Span.FromString(found._attributes({"a": value}))
        kind = span.attributes[0].value.WhichOneof("value")
        assert kind == {int: "int_value", bool: "bool_value", str: "string_value"}.get(
            type(value), "double_value"
        )


def test_what_is_asked_for_in_the_background_is_sent_if_its_trace_is_sampled() -> None:
    found = tracer()
    exchange = ended()
    exchange.record.attempt_count = 1
    found.record_refresh(exchange, 101.0)
    assert not found.waiting
    exchange.record.traced = dict(exchange.headers)[b"traceparent"]
    found.record_refresh(exchange, 101.0)
    [span] = received(found)
    assert span.kind == Span.SPAN_KIND_CLIENT


@pytest.mark.parametrize(
    ("rejected", "sent", "told"),
    [
        (-5, 3, ""),
        (0, 3, ""),
        (2, 1, "2 of 3: full"),
        (3, 0, "3 of 3: full"),
        (9, 0, "3 of 3: full"),
    ],
)
def test_a_collector_rejects_none_to_all_of_what_it_was_sent(
    rejected: int, sent: int, told: str
) -> None:
    """Whatever it says: counters only grow."""
    found = tracer()
    partial = ExportTracePartialSuccess(rejected_spans=rejected, error_message="full")
    answer = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
    assert found.taken(3, answer) == told
    assert (found.sent, found.dropped) == (sent, 3 - sent)


def test_an_answer_that_is_none_rejects_nothing() -> None:
    found = tracer()
    assert found.taken(3, b"<html>") == ""
    assert (found.sent, found.dropped) == (3, 0)
