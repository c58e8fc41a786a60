"""Why a call was slow or has failed, as a sentence."""

from typing import Any

import pytest

from proxy.telemetry.phases import NAMES, Phases
from proxy.telemetry.why import Try, Why, cause_of, sentence, size, spell


def why(phase: str = "first_byte", **fields: Any) -> Why:
    spent = Phases(*(2.1 if name == phase else 0.05 for name in NAMES))
    known: dict[str, Any] = {
        "seconds": 2.3,
        "phases": spent,
        "upstream": "api",
        "server": "http://10.0.0.2:9000",
        "route": "/v1",
        "client": "10.0.0.7",
        "status": 200,
        "error": "",
        "bytes_out": 1200,
        "tries": [],
        "in_flight": False,
        "asked": True,
    }
    return Why(**known | fields)


TRY = Try(server="http://10.0.0.1:9000", outcome="503", at=0.0, connect=0.0, seconds=2.0)


@pytest.mark.parametrize(
    ("told", "cause", "text"),
    [
        (why(), "first_byte", "2.1 s of 2.3 s waiting for the first byte of api (10.0.0.2:9000)"),
        (why("queue"), "queue", "2.1 s of 2.3 s waiting in the queue of api"),
        (why("queue", upstream=""), "queue", "2.1 s of 2.3 s waiting in the queue"),
        (why("connect"), "connect", "2.1 s of 2.3 s connecting to api (10.0.0.2:9000)"),
        (
            why("body"),
            "body",
            "2.1 s of 2.3 s receiving the body from api (10.0.0.2:9000), 1.2 KiB",
        ),
        (
            why("client"),
            "client",
            "2.1 s of 2.3 s waiting for the client 10.0.0.7, to send its body or to take the reply",
        ),
        (
            why("retries", tries=[TRY, TRY]),
            "retries",
            "2.1 s of 2.3 s on 1 failed try of api (10.0.0.1:9000 503 after 2.0 s)",
        ),
        (
            why(in_flight=True, seconds=2.1),
            "first_byte",
            "2.1 s waiting for the first byte of api (10.0.0.2:9000) so far",
        ),
        (
            why(status=499, error="client_gone"),
            "first_byte",
            "2.1 s of 2.3 s waiting for the first byte of api (10.0.0.2:9000); "
            "then the client left",
        ),
        (
            why("connect", status=502, error="connection_refused"),
            "connect",
            "api (10.0.0.2:9000) cannot be connected to (502); "
            "2.1 s of 2.3 s connecting to api (10.0.0.2:9000)",
        ),
        (
            why(status=503),
            "answer",
            "api (10.0.0.2:9000) answered 503; "
            "2.1 s of 2.3 s waiting for the first byte of api (10.0.0.2:9000)",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_a_sentence_says_what_the_time_went_on(told: Why, cause: str, text: str) -> None:
    assert (cause_of(told), sentence(told)) == (cause, text)


@pytest.mark.parametrize(
    ("status", "error", "phase", "cause"),
    [
        (503, "connection_limit_reached", "first_byte", "queue"),
        (503, "destination_unavailable", "queue", "unavailable"),
        (429, "http_request_denied", "queue", "quota"),
        (408, "http_request_error", "client", "client"),
        (400, "http_request_error", "client", "request"),
        (404, "destination_not_found", "queue", "request"),
        (504, "http_response_timeout", "first_byte", "first_byte"),
        (504, "http_response_timeout", "body", "body"),
        (200, "http_response_incomplete", "first_byte", "body"),
        (502, "connection_terminated", "retries", "retries"),
        (502, "connection_refused", "retries", "retries"),
        (503, "", "retries", "retries"),
        (500, "proxy_internal_error", "queue", "proxy"),
    ],
)
def test_a_failure_has_a_cause(status: int, error: str, phase: str, cause: str) -> None:
    assert cause_of(why(phase, status=status, error=error)) == cause


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0006, "0.6 ms"),
        (0.014, "14 ms"),
        (0.9996, "1.0 s"),
        (9.96, "10 s"),
        (200.0, "3 min 20 s"),
    ],
)
def test_durations_are_spelled(seconds: float, text: str) -> None:
    assert spell(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 20, "3.0 MiB"), (5 << 30, "5.0 GiB")],
)
def test_sizes_are_spelled(number: int, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(
    ("status", "error", "text"),
    [
        (400, "http_request_error", "the request was refused (400) after 2.3 s"),
        (404, "destination_not_found", "no route leads there (404) after 2.3 s"),
        (
            508,
            "proxy_loop_detected",
            "the request had come through this proxy already (508) after 2.3 s",
        ),
    ],
)
def test_what_is_refused_at_once_has_waited_in_no_queue(status: int, error: str, text: str) -> None:
    told = why("queue", upstream="", server="", status=status, error=error, asked=False)
    assert sentence(told) == text


def test_what_came_too_slowly_was_waited_for() -> None:
    told = why("client", upstream="", server="", status=408, error="http_request_error")
    assert sentence(told).startswith(
        "the request was refused (408); 2.1 s of 2.3 s waiting for the"
    )
