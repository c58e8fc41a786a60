"""Spans of exchanges that have ended."""

from typing import Any

import pytest

from proxy.core.exchange import Exchange
from proxy.core.record import HEDGED, Attempt
from proxy.http.request_id import own_span
from proxy.telemetry.spans import Span, Spans, Trace

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
LATE, BROKEN = "http_response_timeout", "http_response_incomplete"


def exchange(**known: Any) -> Exchange:
    """A GET that took a second; ``known``: what is set of it or of its record."""
    fields = [(b"User-Agent", b"curl/8"), (b"traceparent", f"00-{TRACE}-{PARENT}-01".encode())]
    made = Exchange(
        "GET", b"/v1/a?b=1&token=secret", fields, b"/v1/a?b=1&token=secret", host="proxy.test:8080"
    )
    made.started_at, made.route, made.status = 100.0, "/v1", 200
    made.client, made.scheme, made.version = "10.0.0.7", "https", (1, 1)
    record = made.record
    record.upstream, record.endpoint, record.attempt_count = "api", "http://10.0.0.1:9000", 1
    record.attempt_began_at, record.connect_s, record.first_byte_at = 100.1, 0.1, 100.5
    for name, value in known.items():
        setattr(record if hasattr(record, name) else made, name, value)
    record.reply_status = record.reply_status or made.status
    return made


def traced(made: Exchange) -> Trace:
    return Spans((), lambda bits: 0xABC).trace(made, 101.0)


def spans(**known: Any) -> list[Span]:
    return traced(exchange(**known)).spans


def test_the_span_of_the_server_is_the_child_of_the_client_s() -> None:
    trace = traced(exchange())
    server, client = trace.spans
    assert (trace.trace_id, trace.sampled) == (TRACE, True)
    assert (server.name, server.server, server.parent_id) == ("GET /v1", True, PARENT)
    assert (server.began, server.ended, server.failed) == (100.0, 101.0, False)
    assert (client.name, client.server, client.parent_id) == ("GET", False, server.span_id)
    assert (client.began, client.ended) == (100.1, 101.0)


def test_attributes_are_those_of_the_conventions() -> None:
    server, client = spans()
    assert server.attributes == {
        "http.request.method": "GET",
        "url.scheme": "https",
        "url.path": "/v1/a",
        "url.query": "b=1&token=***",
        "network.protocol.name": "http",
        "network.protocol.version": "1.1",
        "server.address": "proxy.test",
        "server.port": 8080,
        "http.route": "/v1",
        "client.address": "10.0.0.7",
        "user_agent.original": "curl/8",
        "http.response.status_code": 200,
        "http.request.body.size": 0,
        "http.response.body.size": 0,
        "sidecar_proxy.request_id": "",
        "sidecar_proxy.attempts": 1,
        "sidecar_proxy.upstream": "api",
    }
    assert client.attributes == {
        "http.request.method": "GET",
        "url.full": "http://10.0.0.1:9000/v1/a?b=1&token=***",
        "network.protocol.name": "http",
        "network.protocol.version": "1.1",
        "server.address": "10.0.0.1",
        "server.port": 9000,
        "network.peer.address": "10.0.0.1",
        "network.peer.port": 9000,
        "http.response.status_code": 200,
    }


def test_what_stands_in_a_field_that_is_redacted_is_hidden() -> None:
    made = exchange(request_id="mine", endpoint="unix:/api.sock")
    _, client = Spans((), lambda _: 0xABC).trace(made, 101.0).spans
    assert str(client.attributes["url.full"]).startswith("http://proxy.test:8080/")
    hiding = Spans(("user-agent", "X-Request-ID", "Host"), lambda _: 0xABC)
    server, client = hiding.trace(made, 101.0).spans
    assert server.attributes["user_agent.original"] == "***"
    assert server.attributes["sidecar_proxy.request_id"] == "***"
    shown = f"{server.attributes} {client.attributes}"
    assert not [word for word in ("mine", "proxy.test", "8080", "curl") if word in shown]


@pytest.mark.parametrize(
    ("known", "server_error", "client_error"),
    [
        ({"status": 404}, "", "404"),
        ({"status": 500}, "500", "500"),
        ({"status": 504, "error": LATE, "first_byte_at": None}, LATE, LATE),
        ({"error": BROKEN}, BROKEN, BROKEN),
        ({"error": LATE}, LATE, LATE),
    ],
    ids=["404", "500", "no head", "broken", "too long"],
)
def test_errors_are_told_as_the_conventions_have_it(
    known: dict[str, Any], server_error: str, client_error: str
) -> None:
    server, client = spans(**known)
    assert server.attributes.get("error.type", "") == server_error
    assert client.attributes.get("error.type", "") == client_error
    assert (server.failed, client.failed) == (bool(server_error), True)


def test_each_attempt_is_a_span_that_says_how_often_it_was_sent_again() -> None:
    tries = (
        Attempt("http://a:1", "503", 0.2, 100.1, 0.0, 0.0, "1" * 16),
        Attempt("http://b:2", HEDGED, 0.2, 100.4, 0.0, 0.0, "2" * 16),
        Attempt("http://c:3", "200", 0.3, 100.6, 0.0, 0.0, "3" * 16),
    )
    server, *clients = spans(attempt_log=tries, attempt_count=3)
    assert [each.span_id for each in clients] == ["1" * 16, "2" * 16, "3" * 16]
    assert {each.parent_id for each in clients} == {server.span_id}
    resent = [each.attributes.get("http.request.resend_count") for each in clients]
    assert resent == [None, 1, 2]
    assert [each.failed for each in clients] == [True, False, False]
    assert clients[1].attributes["error.type"] == "hedged"
    assert clients[1].links == ((TRACE, "3" * 16),)
    assert clients[0].began == 100.1
    assert clients[0].ended == pytest.approx(100.3)
    assert clients[2].ended == 101.0


def test_a_reply_that_is_cut_has_the_status_of_its_head() -> None:
    _, client = spans(error=LATE)
    assert client.attributes["http.response.status_code"] == 200


@pytest.mark.parametrize(
    ("endpoint", "address", "port", "url"),
    [
        ("http://a.test", "a.test", 80, "http://a.test/v1/a"),
        ("https://a.test", "a.test", 443, "https://a.test/v1/a"),
        ("https://[::1]:8443", "::1", 8443, "https://[::1]:8443/v1/a"),
        ("unix:/run/a.sock", "/run/a.sock", None, "http://proxy.test:8080/v1/a"),
    ],
)
def test_a_server_is_named_by_address_and_port(
    endpoint: str, address: str, port: int | None, url: str
) -> None:
    found = spans(endpoint=endpoint)[1].attributes
    assert (found["server.address"], found.get("server.port")) == (address, port)
    assert found["url.full"] == f"{url}?b=1&token=***"


def test_several_tracestates_are_one_list() -> None:
    made = exchange()
    made.headers = [*made.headers, (b"tracestate", b"a=1"), (b"Tracestate", b"b=2")]
    assert traced(made).state == "a=1,b=2"


def test_the_root_of_a_client_is_not_taken_for_ours() -> None:
    """Traces of 64 bits have the id of their root as that of the trace (B3)."""
    root = "a1b2c3d4e5f60718"
    made = exchange()
    made.headers = [(b"traceparent", f"00-{'0' * 16}{root}-{root}-01".encode())]
    server = traced(made).spans[0]
    assert server.parent_id == root
    assert server.span_id != root


def test_waits_and_timeouts_are_events() -> None:
    server, _ = spans(queue_s=0.5, clock="total", refused="queue_full")
    told = [(each.name, each.at, each.attributes) for each in server.events]
    assert told == [
        ("queue", 100.0, {"seconds": 0.5}),
        ("first_byte", 100.5, {}),
        ("timeout", 101.0, {"clock": "total"}),
        ("refused", 101.0, {"reason": "queue_full"}),
    ]


def test_a_trace_that_began_here_has_no_parent() -> None:
    made = exchange()
    made.headers = [(b"traceparent", f"00-{TRACE}-{own_span(TRACE)}-00".encode())]
    trace = traced(made)
    assert (trace.spans[0].span_id, trace.spans[0].parent_id) == (own_span(TRACE), "")
    assert not trace.sampled


def test_a_shared_answer_is_linked_to_the_call_that_brought_it() -> None:
    link = ("a" * 32, "b" * 16)
    [server] = spans(attempt_count=0, shared_span=link)
    assert server.links == (link,)


def test_methods_that_nobody_knows_name_no_span() -> None:
    made = exchange()
    made.method = "MADE-UP"
    server, client = traced(made).spans
    assert (server.name, client.name) == ("HTTP /v1", "HTTP")
    for span in (server, client):
        assert span.attributes["http.request.method"] == "_OTHER"
        assert span.attributes["http.request.method_original"] == "MADE-UP"


def test_a_request_that_was_refused_before_it_had_a_trace_gets_one() -> None:
    made = exchange(attempt_count=0, status=400, error="http_request_error")
    made.headers = []
    trace = traced(made)
    assert trace.trace_id == f"{0xABC:032x}"
    assert [(span.span_id, span.parent_id) for span in trace.spans] == [("00000abc00000000", "")]


@pytest.mark.parametrize("value", [b"", b"x", b"1" * 55, f"00-{TRACE}-{PARENT}-0x".encode()])
def test_what_is_no_traceparent_is_none(value: bytes) -> None:
    """A rule of a route may put it there, and what is refused at once may have brought it."""
    made = exchange()
    made.headers = [(b"traceparent", value), (b"tracestate", b"a=1")]
    trace = traced(made)
    assert (trace.trace_id, trace.state, trace.sampled) == (f"{0xABC:032x}", "", False)


def test_the_status_is_that_which_the_server_sent() -> None:
    [server, client] = spans(status=200, reply_status=304)
    assert server.attributes["http.response.status_code"] == 200
    assert client.attributes["http.response.status_code"] == 304


def test_a_client_that_leaves_behind_the_head_sends_no_status() -> None:
    server, client = spans(status=499, error="client_gone", reply_status=200)
    assert server.attributes["http.response.status_code"] == 499
    assert client.attributes["http.response.status_code"] == 200
    assert client.attributes["error.type"] == "client_gone"


def test_a_failure_behind_a_stale_reply_is_told() -> None:
    _, client = spans(first_byte_at=None, outcome="connect-failure")
    assert client.failed
    assert client.attributes["error.type"] == "connect-failure"
    assert "http.response.status_code" not in client.attributes


def test_attempts_are_numbered_in_the_order_in_which_they_were_sent() -> None:
    """The one that counts is logged last: of a request that won, its copy is logged before it."""
    tries = (
        Attempt("http://b:2", "connect-failure", 0.001, 100.4, beside=True),
        Attempt("http://a:1", "200", 0.9, 100.1),
    )
    _, copy, first = spans(attempt_log=tries, attempt_count=2)
    assert copy.attributes["http.request.resend_count"] == 1
    assert "http.request.resend_count" not in first.attributes
    assert copy.attributes["error.type"] == "connect-failure"
    assert copy.ended == pytest.approx(100.401)


def test_what_is_asked_for_in_the_background_is_below_the_span_that_was_told() -> None:
    made = exchange(span_id="5" * 16)
    trace = Spans((), lambda _: 0xABC).refresh(made, 101.0)
    [span] = trace.spans
    assert (trace.trace_id, trace.sampled) == (TRACE, True)
    assert (span.span_id, span.parent_id, span.server) == ("5" * 16, PARENT, False)
    assert span.attributes["sidecar_proxy.background"] is True


def test_the_span_of_one_that_failed_before_its_copies_ends_then() -> None:
    tries = (
        Attempt("http://b:2", "reset", 0.4, 100.5, beside=True),
        Attempt("http://a:1", "reset", 0.5, 100.1),
    )
    _, copy, own = spans(attempt_log=tries, attempt_count=2, attempt_ended_at=100.6, status=502)
    assert own.began == 100.1
    assert own.ended == pytest.approx(100.6)
    assert copy.ended == pytest.approx(100.9)
