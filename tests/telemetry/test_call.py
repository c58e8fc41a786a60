"""What is kept of an exchange for people."""

import pytest

from proxy.core.record import ANSWER, PERMIT, QUOTA, TOKEN, Attempt, Record, Wait
from proxy.telemetry.call import Teller, is_trouble, named, told_apart, where
from proxy.telemetry.phases import phases
from tests.support.ended import SERVER, ended

TELLER = Teller(("x-request-id",), lambda: 0.0, lambda: 0.0)


@pytest.mark.parametrize(
    ("wait", "place"),
    [
        (Wait(PERMIT, 0.0, "one"), ("one", "", PERMIT)),
        (Wait(QUOTA, 0.0, "one", "http://b"), ("one", "http://b", QUOTA)),
        (Wait(TOKEN, 0.0), ("", "", TOKEN)),
        (Wait(ANSWER, 0.0), ("api", SERVER, ANSWER)),
        (None, ("api", SERVER, "")),
    ],
)
def test_waits_are_told_apart_by_whose_they_are(
    wait: Wait | None, place: tuple[str, str, str]
) -> None:
    exchange = ended(1.0)
    exchange.record.wait = wait
    assert told_apart("queue", exchange, 1.0) == place
    assert told_apart("body", exchange, 1.0)[2] == ""


def test_failures_of_one_cause_are_told_apart() -> None:
    exchange = ended(status=503, error="destination_unavailable")
    exchange.record.failure = "credentials_unavailable", "no token"
    assert told_apart("unavailable", exchange, 1.0) == ("api", SERVER, "credentials_unavailable")
    exchange.error = ""  # something else has answered
    assert told_apart("first_byte", exchange, 1.0) == ("api", SERVER, "")


@pytest.mark.parametrize("status", [0, 200])
def test_of_retries_the_server_is_told_that_has_failed(status: int) -> None:
    """Not the one that has helped."""
    failed = Attempt("http://b", "timeout", 1.0, upstream="other"), Attempt("http://c", "503", 0.5)
    answered = (Attempt(SERVER, "200", 2.0),) if status else ()
    exchange = ended(3.0, status=status, asked=3, tries=(*failed, *answered))
    assert told_apart("retries", exchange, 3.0) == ("other", "http://b", "")
    assert told_apart("first_byte", exchange, 3.0) == ("api", SERVER, "")


@pytest.mark.parametrize(
    ("outcome", "cause"), [("connect-failure", "connect"), ("timeout", "first_byte"), ("503", None)]
)
def test_retries_are_named_after_what_all_of_them_failed_in(
    outcome: str, cause: str | None
) -> None:
    failed = Attempt("http://b", outcome, 1.0, connect_s=0.1)
    exchange = ended(3.0, asked=3, tries=(failed, failed, Attempt(SERVER, "200", 1.0)))
    assert named("retries", exchange, 3.0) == (cause or "retries")
    assert named("body", exchange, 3.0) == "body"


def test_a_call_that_waits_is_with_what_it_waits_for() -> None:
    record = Record()
    record.wait = Wait(PERMIT, 0.0, "one")
    assert where(record, 1.0) == ("one", "")
    record.end_wait(1.0)
    assert where(record, 2.0) == ("one", "")
    record.upstream, record.endpoint = "api", "http://a"
    assert where(record, 2.0) == ("api", "http://a")


@pytest.mark.parametrize(
    ("error", "reason", "trouble"),
    [
        ("client_gone", "", False),
        ("connection_read_timeout", "", False),
        ("http_request_denied", "ended_by_operator", False),
        ("destination_unavailable", "shutting_down", False),
        ("http_response_timeout", "response_timeout", True),
    ],
)
def test_what_somebody_has_ended_is_no_trouble(error: str, reason: str, trouble: bool) -> None:
    exchange = ended(error=error)
    exchange.record.failure = reason, ""
    assert is_trouble(exchange) is trouble


@pytest.mark.parametrize(
    ("redact", "key"),
    [
        ("X-Request-Id", "id"),
        ("host", "host"),
        ("Traceparent", "trace_id"),
        ("User-Agent", "user_agent"),
    ],
)
def test_what_stands_in_a_field_that_is_redacted_is_hidden(redact: str, key: str) -> None:
    exchange = ended(2.0)
    exchange.headers = (
        (b"User-Agent", b"curl"),
        (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    )
    teller = Teller((redact,), lambda: 0.0, lambda: 0.0)
    told = teller.call(exchange, phases(exchange, 2.0), 2.0)
    keys = ("id", "host", "trace_id", "user_agent")
    assert [each for each in keys if getattr(told, each) == "***"] == [key]
    assert teller.name(exchange) == told.id


def test_a_sentence_shows_no_credentials_of_the_request_and_no_id_that_is_hidden() -> None:
    exchange = ended(2.0, status=502, error="http_protocol_error")
    exchange.headers = ((b"Authorization", b"Bearer s3cr3t-t0k3n"),)
    exchange.record.failure = "protocol_violation", "not HTTP: s3cr3t-t0k3n \udcff"
    exchange.record.leader = "first"
    why = TELLER.call(exchange, phases(exchange, 2.0), 2.0).why
    assert why.startswith("not HTTP: *** ? (502); ")
    exchange.record.wait = Wait(ANSWER, 0.0)
    exchange.error, exchange.record.attempt_count = "", 0
    exchange.record.first_byte_at = None
    told = TELLER.call(exchange, phases(exchange, 2.0), 2.0, in_flight=True)
    assert told.why.endswith("waiting for the answer to an equal request so far")


def test_the_reply_that_is_being_received_is_no_failed_try() -> None:
    tries = Attempt("http://b", "503", 2.0, 100.0), Attempt(SERVER, "200", 0.5, 102.0)
    exchange = ended(3.0, began=100.0, head_at=2.5, asked=2, tries=tries, committed=True)
    call = TELLER.call(exchange, phases(exchange, 103.0), 103.0, in_flight=True)
    assert call.why == "2.0 s of 3.0 s on 1 failed try of api (b 503 after 2.0 s) so far"
