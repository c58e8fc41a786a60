"""What went through one route to one upstream."""

from typing import Any

import pytest

from proxy.core.exchange import Exchange
from proxy.telemetry.phases import phases
from proxy.telemetry.traffic import TIMES, Traffic, times

TRACE = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"


def told(traffic: Traffic) -> dict[str, Any]:
    samples = traffic.describe({})
    return {" ".join([each.name, *each.labels.values()]): each.value for each in samples}


def ended(status: int, error: str = "", *, refused: str = "", clock: str = "") -> Exchange:
    exchange = Exchange("GET", b"/", [(b"traceparent", TRACE)], b"/", started_at=100.0)
    exchange.status, exchange.error = status, error
    exchange.record.refused, exchange.record.clock = refused, clock
    return exchange


def add(traffic: Traffic, exchange: Exchange, took: float = 0.0, at: float = 0.0) -> None:
    now = exchange.started_at + took
    traffic.add_odd(exchange, times(exchange, phases(exchange, now), now), at)


def test_refusals_and_timeouts_are_told_apart() -> None:
    traffic = Traffic()
    add(traffic, ended(429, "http_request_denied", refused="rate_limited"))
    add(traffic, ended(504, "http_response_timeout", clock="first_byte"))
    both = ended(503, "connection_limit_reached", refused="queue_timeout", clock="queue")
    add(traffic, both)
    found = told(traffic)
    assert {name: found[name] for name in found if name.startswith(("refusals", "timeouts"))} == {
        "timeouts first_byte": 1,
        "timeouts queue": 1,
        "refusals rate_limited": 1,
        "refusals queue_timeout": 1,
    }


def test_a_timeout_that_another_attempt_made_good_is_none() -> None:
    traffic = Traffic()
    add(traffic, ended(200, clock="per_try"))
    assert "timeouts per_try" not in told(traffic)


def test_clients_cannot_make_up_methods() -> None:
    traffic = Traffic()
    for method in ("GET", "QUERY", "MAKE-UP", "get"):
        traffic.count(method, 200, 1, 0, 0)
    found = told(traffic)
    assert {name: found[name] for name in found if name.startswith("requests")} == {
        "requests GET 200": 1,
        "requests QUERY 200": 1,
        "requests other 200": 2,
    }


def test_bytes_are_added_up() -> None:
    traffic = Traffic()
    traffic.count("GET", 200, 3, 10, 20)
    traffic.count("POST", 200, 1, 1, 2)
    assert (told(traffic)["request_bytes"], told(traffic)["response_bytes"]) == (11, 22)


def test_the_example_is_the_trace_that_the_client_sent() -> None:
    traffic = Traffic()
    exchange = ended(200)
    exchange.heard, exchange.headers = exchange.headers, ()  # a rule of the route took it away
    add(traffic, exchange, took=0.2, at=5.0)
    assert told(traffic)["time_total_example 0.25"] == f"{'a' * 32} 0.200000 5.000"


@pytest.mark.parametrize(
    ("asked", "connect", "expected"),
    [(1, 0.25, 2.75), (1, None, None), (0, None, None)],
    ids=["no head", "no connection", "not asked"],
)
def test_a_server_that_never_answers_was_waited_for(
    asked: int, connect: float | None, expected: float | None
) -> None:
    """An API that hung was in no phase, and the phases did not make the duration."""
    late = ended(504, "http_response_timeout")
    late.record.attempt_count, late.record.connect_s = asked, connect
    spent = times(late, phases(late, 103.0), 103.0)
    assert spent[TIMES.index("first_byte")] == expected
    assert sum(each or 0.0 for each in spent[:-1]) == spent[-1] == 3.0
