"""Why a call was slow or has failed, as a sentence."""

import pytest

from proxy.core import record as waits
from proxy.core.record import Wait
from proxy.telemetry.cause import cause_of
from proxy.telemetry.why import Behind, Try, Why, sentence, size, spell
from tests.support.whys import why

PERMIT = Wait(waits.PERMIT, 0.0, "api")
REFUSED = "http://10.0.0.2:9000 refused the connection; tries: http://10.0.0.2:9000 reset 1 ms"
TRY = Try(server="http://10.0.0.1:9000", outcome="503", at=0.0, connect=0.0, seconds=2.0)


@pytest.mark.parametrize(
    ("told", "cause", "text"),
    [
        (why(), "first_byte", "2.1 s of 2.3 s waiting for the first byte of api (10.0.0.2:9000)"),
        (why("queue"), "queue", "2.1 s of 2.3 s in the proxy, before a server was asked"),
        (why("queue", wait=PERMIT), "queue", "2.1 s of 2.3 s waiting for a permit of api"),
        (why("connect"), "connect", "2.1 s of 2.3 s connecting to api (10.0.0.2:9000)"),
        (
            why("body"),
            "body",
            "2.1 s of 2.3 s receiving the body from api (10.0.0.2:9000), 1.2 KiB",
        ),
        (
            why("client"),
            "client",
            "2.1 s of 2.3 s waiting for the client 10.0.0.7, to send its request or take the reply",
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
            why("connect", status=502, error="connection_refused", failure=REFUSED),
            "connect",
            "http://10.0.0.2:9000 refused the connection (502); "
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
    ("status", "error", "failure", "text"),
    [
        (400, "http_request_error", "bad", "bad (400) after 2.3 s"),
        (404, "destination_not_found", "no route for /", "no route for / (404) after 2.3 s"),
        (405, "http_request_denied", "no route takes PUT", "no route takes PUT (405) after 2.3 s"),
        (508, "proxy_loop_detected", "It went round.", "it went round (508) after 2.3 s"),
        (502, "something_else", "", "failed with something_else (502) after 2.3 s"),
    ],
)
def test_what_is_refused_at_once_has_waited_in_no_queue(
    status: int, error: str, failure: str, text: str
) -> None:
    told = why("queue", upstream="", status=status, error=error, failure=failure, asked=False)
    assert sentence(told) == text


def test_what_came_too_slowly_was_waited_for() -> None:
    told = why("client", status=408, error="http_request_error", failure="the head came too slowly")
    assert sentence(told).startswith(
        "the head came too slowly (408); 2.1 s of 2.3 s waiting for the client"
    )


@pytest.mark.parametrize(
    ("what", "server", "text"),
    [
        (waits.PERMIT, "", "waiting for a permit of api"),
        (waits.TOKEN, "", "waiting for the rate limit of its client"),
        (waits.QUOTA, "http://a:1", "waiting for the quota that api (a:1) gives"),
        (waits.CREDENTIALS, "", "waiting for credentials for api"),
        (waits.SERVER, "", "waiting for a server of api that can be connected to"),
        (waits.ANSWER, "", "waiting for the answer to an equal request (r7)"),
        (waits.ELSEWHERE, "", "waiting for another process that has sent an equal request"),
    ],
)
def test_each_wait_has_its_name(what: str, server: str, text: str) -> None:
    told = why("queue", wait=Wait(what, 0.0, "api", server), leader="r7")
    assert sentence(told) == f"2.1 s of 2.3 s {text}"


@pytest.mark.parametrize(
    ("behind", "text"),
    [
        (Behind("first_byte", None, []), "waiting for the first byte of api (10.0.0.2:9000)"),
        (Behind("queue", PERMIT, []), "waiting for a permit of api"),
        (
            Behind("retries", None, [TRY]),
            "on 1 failed try of api (10.0.0.1:9000 503 after 2.0 s)",
        ),
    ],
)
def test_whoever_waits_for_an_answer_is_told_what_that_waits_for(behind: Behind, text: str) -> None:
    wait = Wait(waits.ANSWER, 0.0)
    told = why("queue", wait=wait, leader="r7", behind=behind, in_flight=True)
    equal = "2.1 s of 2.3 s waiting for the answer to an equal request (r7)"
    assert sentence(told) == f"{equal}, which is {text} so far"
    assert sentence(why("queue", wait=wait)).endswith("to an equal request")  # its id is hidden


def test_a_connection_that_has_to_become_free_is_waited_for() -> None:
    told = why("queue", wait=Wait(waits.CONNECTION, 0.0, "api", "http://10.0.0.2:9000"))
    assert sentence(told) == "2.1 s of 2.3 s waiting for a free connection to api (10.0.0.2:9000)"
    told = why("queue", wait=Wait(waits.CONNECTION, 0.0, "api"))
    assert sentence(told) == "2.1 s of 2.3 s waiting for a free connection to api"


def test_a_tunnel_receives_no_body() -> None:
    told = why("body", status=101, bytes_in=5, bytes_out=7, in_flight=True)
    assert sentence(told).endswith(
        "with an open tunnel to api (10.0.0.2:9000): 5 B from the client, 7 B to it so far"
    )


def test_the_bytes_of_an_own_answer_are_none_of_the_body_that_came() -> None:
    told = why("body", status=504, error="http_response_timeout", failure="no reply within total")
    assert sentence(told).endswith("receiving the body from api (10.0.0.2:9000)")


def test_an_operator_ends_what_had_waited() -> None:
    told = why(status=503, error="http_request_denied", reason="ended_by_operator")
    assert sentence(told) == (
        "2.1 s of 2.3 s waiting for the first byte of api (10.0.0.2:9000); "
        "then an operator ended it"
    )
