"""Which failures no client has seen."""

import pytest

from proxy.core.record import HEDGED, NOT_ATTEMPTED, Attempt
from proxy.telemetry.covered import FALLBACK, STALE, covered, passed_on
from tests.support.ended import ended

STORED = "fwd=stale; ttl=-9; detail=stale-if-error"
FAILED = ("connect_failed", "http://a refused the connection")


@pytest.mark.parametrize(
    ("status", "error", "cache", "failure", "cause"),
    [
        (200, "", "hit; ttl=9", ("", ""), ""),
        (200, "", "hit; ttl=-9; detail=stale-while-revalidate", ("", ""), ""),
        (200, "", STORED, ("", ""), STALE),
        (404, "", STORED, FAILED, STALE),
        (200, "", "", FAILED, FALLBACK),
        (200, "", "", ("", ""), ""),
        (503, "", "", FAILED, ""),
        (200, "connection_refused", "", FAILED, ""),  # a fixed reply: its client has no answer
    ],
)
def test_it_ended_well_although_a_server_failed(
    status: int, error: str, cache: str, failure: tuple[str, str], cause: str
) -> None:
    exchange = ended(status=status, error=error)
    exchange.record.cache, exchange.record.failure = cache, failure
    assert covered(exchange) == cause


def test_the_last_server_of_each_upstream_before_has_failed() -> None:
    tries = (
        Attempt("http://a", "503", 0.1, upstream="first"),
        Attempt("http://b", "reset", 0.1, upstream="first"),
        Attempt("http://c", HEDGED, 0.1, upstream="first"),
        Attempt("http://d", NOT_ATTEMPTED, 0.0, upstream="second"),
        Attempt("http://e", "503", 0.1, upstream="api"),
        Attempt("http://f", "503", 0.1),
    )
    assert passed_on(ended(tries=tries).record) == {"first": "http://b"}
