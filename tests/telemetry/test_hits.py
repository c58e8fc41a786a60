"""Calls that stand out, by their cause."""

from proxy.core.exchange import Exchange
from proxy.core.record import Attempt
from proxy.telemetry.covered import FALLBACK, STALE
from proxy.telemetry.hits import MOST, Hits
from proxy.telemetry.usual import Usual
from tests.support.ended import SERVER, ended


def add(hits: Hits, cause: str, exchange: Exchange, example: str = "", after: float = 1.0) -> None:
    hits.add(cause, exchange, exchange.started_at + after, example, Usual())


def test_calls_of_one_cause_are_one_until_they_are_taken() -> None:
    hits = Hits()
    add(hits, "answer", ended(), "first")
    add(hits, "answer", ended(), "longest", 3.0)
    add(hits, "answer", ended(route="/v2"), "other")
    assert hits.troubled == {"/v1", "/v2"}
    one, other = hits.take()
    assert (one.number, one.worst, one.example, one.server) == (2, 3.0, "longest", SERVER)
    assert (other.route, other.number) == ("/v2", 1)
    assert (hits.take(), hits.troubled) == ([], set())


def test_there_are_not_more_than_are_worth_reading() -> None:
    hits = Hits()
    for number in range(MOST + 5):
        add(hits, "answer", ended(route=f"/{number}"))
    assert len(hits.take()) == MOST


def test_a_stale_reply_without_an_attempt_is_of_the_server_that_has_just_failed() -> None:
    hits = Hits()
    add(hits, STALE, ended(), "asked")
    add(hits, STALE, ended(asked=0), after=9.0)
    [one] = hits.take()
    assert (one.server, one.number, one.worst, one.example) == (SERVER, 2, 9.0, "asked")
    add(hits, STALE, ended(asked=0))  # a second later
    add(hits, STALE, ended(asked=0, route="/v2"))
    one, other = hits.take()
    assert (one.upstream, one.server) == ("api", SERVER)
    assert (other.upstream, other.server) == ("", "")


def test_who_has_failed_on_a_route_goes_with_it() -> None:
    hits = Hits()
    for route in ("/v1", "/v2"):
        add(hits, STALE, ended(route=route))
    hits.take()
    hits.keep({"", "/v1"})
    for route in ("/v1", "/v2"):
        add(hits, STALE, ended(asked=0, route=route))
    assert {hit.route: hit.server for hit in hits.take()} == {"/v1": SERVER, "/v2": ""}


def test_another_upstream_answers_for_the_one_that_has_failed() -> None:
    hits = Hits()
    first = Attempt("http://a", "503", 0.1, 0.1, upstream="first")
    add(hits, FALLBACK, ended(asked=2, tries=(first,)))
    [one] = hits.take()
    assert (one.upstream, one.server) == ("first", "http://a")
