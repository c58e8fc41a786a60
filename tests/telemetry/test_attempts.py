"""What became of each attempt of an exchange that has ended."""

from typing import Any

import pytest

from proxy.core.record import HEDGED, Attempt
from proxy.telemetry.attempts import all_tries, attempts
from tests.support.ended import SERVER, ended

REFUSED = {"connect": None, "error": "connection_refused", "status": 502}


def came(outcome: str, *, status: int = 200, **known: Any) -> list[tuple[str, str]]:
    """Server and outcome of each attempt; ``outcome``: as the record has it."""
    exchange = ended(3.0, status=status, **known)
    exchange.record.outcome = outcome
    if status in (200, 206) and "reply" not in known:
        exchange.record.reply_status = 200
    return [(each.endpoint, each.outcome) for each in attempts(exchange, 3.0)]


@pytest.mark.parametrize(
    ("outcome", "known", "expected"),
    [
        ("", {}, "200"),
        ("", {"status": 206}, "200"),  # a part of what is stored now
        ("connect-failure", REFUSED, "connect-failure"),
        ("connect-failure", {"connect": None}, "connect-failure"),  # a stale reply was given
        ("", {"connect": None, "error": "client_gone", "status": 499}, "abandoned"),
        ("", {"error": "client_gone", "status": 499, "head_at": 1.0}, "abandoned"),
        ("broken", {"error": "http_response_incomplete", "head_at": 1.0}, "broken"),
        ("503", {"error": "destination_unavailable", "head_at": 1.0}, "503"),  # a fixed reply
    ],
)
def test_it_is_not_what_the_client_was_told(
    outcome: str, known: dict[str, Any], expected: str
) -> None:
    assert came(outcome, **known) == [(SERVER, expected)]


def test_a_304_is_not_the_200_that_was_stored() -> None:
    exchange = ended(1.0)
    exchange.record.reply_status = 304
    assert [each.outcome for each in attempts(exchange, 1.0)] == ["304"]


def test_nobody_was_asked() -> None:
    assert came("", asked=0, connect=None) == []


def test_the_last_one_is_told_though_nobody_has_logged_it() -> None:
    tries = (Attempt("http://a", "503", 0.1, 0.5),)
    gone: dict[str, Any] = {"error": "client_gone", "status": 499, "connect": None}
    assert came("", asked=2, tries=tries, **gone) == [("http://a", "503"), (SERVER, "abandoned")]
    assert came("", asked=1, tries=tries, **gone) == [("http://a", "503")]  # it left in the wait


def test_what_was_never_sent_is_none() -> None:
    tries = (Attempt("http://a", "not-attempted", 0.1, 0.5), Attempt(SERVER, "200", 0.1, 0.1))
    assert came("", tries=tries) == [(SERVER, "200")]


@pytest.mark.parametrize(
    ("outcome", "error", "expected"),
    [("broken", "http_response_incomplete", "broken"), ("", "client_gone", "abandoned")],
)
def test_one_that_was_logged_at_its_head_has_the_outcome_of_its_body(
    outcome: str, error: str, expected: str
) -> None:
    tries = (Attempt("http://a", HEDGED, 0.1, 0.5), Attempt(SERVER, "200", 0.1, 0.1))
    told = came(outcome, asked=2, tries=tries, error=error, head_at=1.0, committed=True)
    assert told == [("http://a", HEDGED), (SERVER, expected)]


@pytest.mark.parametrize(
    ("logged", "outcome", "error", "status"),
    [
        ("503", "", "destination_unavailable", 200),  # the head was there before: a heartbeat
        ("503", "503", "http_response_incomplete", 200),  # likewise
        ("503", "503", "destination_unavailable", 503),  # a fixed reply
        ("reset", "broken", "http_response_incomplete", 200),  # it was held until it is whole
    ],
)
def test_one_whose_reply_is_not_what_the_client_was_given_keeps_its_outcome(
    logged: str, outcome: str, error: str, status: int
) -> None:
    tries = (Attempt(SERVER, logged, 0.1, 0.1),)
    known: dict[str, Any] = {"error": error, "status": status, "head_at": 1.0, "committed": True}
    assert came(outcome, tries=tries, **known) == [(SERVER, logged)]


@pytest.mark.parametrize(("asked", "expected"), [(2, ["503", "abandoned"]), (1, ["503"])])
def test_the_log_has_the_one_too_that_was_under_way(asked: int, expected: list[str]) -> None:
    tries = (Attempt("http://a", "503", 0.1, 0.5),)
    gone: dict[str, Any] = {"error": "client_gone", "status": 499, "connect": None}
    exchange = ended(3.0, asked=asked, tries=tries, **gone)
    assert [each.outcome for each in all_tries(exchange, 3.0)] == expected


def test_of_one_alone_the_log_has_no_list() -> None:
    assert all_tries(ended(3.0), 3.0) == ()
