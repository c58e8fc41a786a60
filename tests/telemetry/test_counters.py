"""What has happened since start, by route."""

from proxy.admin.state import state
from proxy.core.exchange import Exchange
from proxy.core.record import Attempt
from proxy.telemetry.counters import Counters


def ended(route: str, status: int, error: str = "", *tried: str) -> Exchange:
    exchange = Exchange("GET", b"/", ())
    exchange.route = route
    exchange.status = status
    exchange.error = error
    exchange.record.attempt_count = len(tried) + 1
    if tried:  # the last one is an attempt too, but no reason for another
        outcomes = (*tried, str(status))
        exchange.record.attempt_log = tuple(
            Attempt("http://a", outcome, 0.1) for outcome in outcomes
        )
    return exchange


def test_exchanges_are_counted_by_route_and_outcome() -> None:
    counters = Counters()
    for exchange in (
        ended("/a", 200),
        ended("/a", 200, "", "503", "connect-failure"),
        ended("/a", 404),
        ended("/a", 502, "connection_refused", "connect-failure"),
        ended("/a", 200, "http_response_incomplete"),
        ended("", 404, "destination_not_found"),
    ):
        counters.record(exchange, 0.0)
    assert state(counters.describe())["counters"] == {
        "/a": {
            "requests": 5,
            "attempts": 8,
            "retry 503": 1,
            "retry connect-failure": 2,
            "status 404": 1,
            "status 502": 1,
            "error connection_refused": 1,
            "status 200": 1,
            "error http_response_incomplete": 1,
        },
        "": {"requests": 1, "attempts": 1, "status 404": 1, "error destination_not_found": 1},
    }
