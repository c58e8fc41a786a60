"""What calls that were slow or failed are grouped by."""

import pytest

from proxy.telemetry.cause import cause_of
from proxy.telemetry.why import Try
from tests.support.whys import why


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


@pytest.mark.parametrize("clock", ["idle", "progress"])
@pytest.mark.parametrize(
    ("phase", "cause"), [("first_byte", "body"), ("body", "body"), ("retries", "retries")]
)
def test_the_clock_of_a_body_says_that_the_body_has_failed(
    clock: str, phase: str, cause: str
) -> None:
    """However long its head took, and also where nothing of it was passed on yet."""
    told = why(phase, status=504, error="http_response_timeout", clock=clock)
    assert cause_of(told) == cause


@pytest.mark.parametrize("status", [0, 200, 504])
@pytest.mark.parametrize(
    ("failed", "cause"),
    [
        ([("connect-failure", None, 0), ("connect-failure", 0.1, 0)], "connect"),
        ([("timeout", None, 0)], "connect"),
        ([("timeout", 0.1, 0), ("timeout", 0.2, 0)], "first_byte"),
        ([("timeout", 0.1, 200), ("timeout", 0.2, 200)], "body"),  # replies that were held
        ([("timeout", 0.1, 0), ("timeout", 0.2, 200)], "retries"),
        ([("timeout", 0.1, 0), ("connect-failure", None, 0)], "retries"),
        ([("503", 0.1, 503), ("connect-failure", None, 0)], "retries"),
        ([("reset", 0.1, 0)], "retries"),
        ([], "retries"),
    ],
)
def test_retries_that_all_fail_in_one_phase_are_named_after_that(
    failed: list[tuple[str, float | None, int]], cause: str, status: int
) -> None:
    tries = [
        Try(server="http://b", outcome=outcome, at=0.0, connect=connect, seconds=1.0, status=head)
        for outcome, connect, head in failed
    ]
    if status and tries:  # the one that counts
        tries.append(Try(server="http://b", outcome="200", at=3.0, connect=0.1, seconds=0.1))
    error = "connection_timeout" if status == 504 else ""
    told = why(
        "retries", status=status, error=error, tries=tries, in_flight=not status, between=not status
    )
    assert cause_of(told) == cause


@pytest.mark.parametrize(
    ("status", "error", "reason", "spent", "cause"),
    [
        (429, "http_request_denied", "rate_limited", "queue", "quota"),
        (503, "http_request_denied", "upstream_quota_exceeded", "queue", "quota"),  # a fallback
        (405, "http_request_denied", "method_not_allowed", "queue", "request"),
        (504, "http_request_denied", "not_cached", "queue", "request"),
        (502, "destination_not_found", "not_recorded", "queue", "request"),
        (503, "http_request_denied", "ended_by_operator", "first_byte", "first_byte"),
        (503, "destination_unavailable", "shutting_down", "body", "body"),
        (503, "destination_unavailable", "credentials_unavailable", "queue", "unavailable"),
        (503, "connection_limit_reached", "local_limit", "connect", "proxy"),
        (504, "http_response_timeout", "deadline_too_short", "queue deadline", "queue"),
        (504, "http_response_timeout", "response_timeout", "client total", "client"),
        (504, "http_response_timeout", "response_timeout", "client first_byte", "first_byte"),
        (503, "", "rate_limited", "first_byte", "answer"),  # something else answered then
    ],
)
def test_a_token_with_several_meanings_has_the_cause_of_the_failure(
    status: int, error: str, reason: str, spent: str, cause: str
) -> None:
    phase, _, clock = spent.partition(" ")
    told = why(phase, status=status, error=error, reason=reason, clock=clock)
    assert cause_of(told) == cause


def test_without_a_server_that_was_asked_no_first_byte_was_late() -> None:
    assert cause_of(why("queue", error="http_response_timeout", asked=False)) == "queue"


def test_connections_that_are_too_many_are_a_limit_of_the_proxy() -> None:
    """Those that an upstream may have are waited for."""
    full = {"status": 503, "error": "connection_limit_reached", "asked": False}
    assert cause_of(why("queue", reason="connection_limit", **full)) == "proxy"
    assert cause_of(why("queue", reason="server_at_limit", **full)) == "queue"
