"""What becomes of a request whose server fails."""

from typing import Any

import msgspec
import pytest

from proxy.config.load import from_upstream
from proxy.config.model import Route
from proxy.core.duration import AUTO, AutoDuration, Duration
from proxy.core.exchange import Exchange
from proxy.core.stream_options import StreamOptions
from proxy.core.timeouts import TimeoutsOptions
from proxy.middleware.fallback import FixedReply
from proxy.middleware.retry.options import RetryOptions
from proxy.run.explain.failures import failures


def said(method: str, *fields: tuple[bytes, bytes], **options: Any) -> dict[str, str]:
    """What is said of each way to fail, by its first words."""
    [route] = from_upstream("http://a").routes
    changed: Route = msgspec.structs.replace(route, **options)
    lines = list(failures(changed, Exchange(method, b"/", fields, b"/")))
    return {line[2:38].strip(): line[39:] for line in lines}


def test_a_get_is_sent_again_as_the_options_say() -> None:
    told = said("GET")
    assert told["no connection: nothing was sent"].startswith("sent again, 3 times in all")
    assert told["a reset after it was sent"] == "sent again, 3 times in all; at last: 502"
    assert told["no head within first_byte"] == (
        "not sent again: timeout is not in retry.on; at last: 504"
    )
    assert told["status 500"] == (
        "not sent again: 500 is not in retry.on; at last: the answer as it is"
    )
    assert told["status 503"] == "sent again, 3 times in all; at last: the answer as it is"


def test_429_and_each_status_that_is_named_has_a_line() -> None:
    assert said("GET")["status 429"].startswith("not sent again: 429 is not in retry.on")
    told = said("GET", retry=RetryOptions(on=("429", "418")))
    assert [each for each in told if each.startswith("status ")] == [
        f"status {each}" for each in (418, 429, 500, 502, 503)
    ]
    assert told["status 418"].startswith(again := "sent again, 3 times in all")
    assert told["status 429"].startswith(again)
    assert (
        "POST is not in retry.methods"
        in said("POST", retry=RetryOptions(on=("429",)))["status 429"]
    )


def test_a_post_is_sent_again_only_where_it_was_not_sent_or_may_be_repeated() -> None:
    told = said("POST")
    assert told["no connection: nothing was sent"].startswith("sent again")
    why = "POST is not in retry.methods, and it has no Idempotency-Key"
    assert told["a reset after it was sent"].startswith(
        f"not sent again: it may have been done, {why}"
    )
    keyed = said("POST", (b"idempotency-key", b"1"))
    assert keyed["a reset after it was sent"].startswith("sent again")


@pytest.mark.parametrize(
    ("options", "why"),
    [(None, "[retry] is off"), (RetryOptions(attempts=1), "retry.attempts is 1")],
    ids=["off", "one"],
)
def test_without_retry_nothing_is_sent_again(options: RetryOptions | None, why: str) -> None:
    told = said("GET", retry=options, timeouts=TimeoutsOptions(per_try=AutoDuration(0.5)))
    for way in ("status 503", "no connection: nothing was sent", "no head within per_try of 500ms"):
        assert told[way].startswith(f"not sent again: {why}; at last: ")


ENDED = "sent again, 3 times in all; at last: the last attempt goes on"
UNBOUNDED = "at last: it goes on: per_try bounds nothing"
NOT_ASKED = "b is not asked, for the same reason"
NOT_IN_METHODS = (
    "not sent again: it may have been done, POST is not in retry.methods, and it has no "
    "Idempotency-Key"
)


@pytest.mark.parametrize(
    ("method", "options", "becomes"),
    [
        ("GET", {}, ENDED),
        ("GET", {"retry": RetryOptions(on=())}, ENDED),  # whatever on names
        ("GET", {"fallback": FixedReply(file="x")}, ENDED),
        (
            "GET",
            {"retry": RetryOptions(attempts=1)},
            f"not sent again: retry.attempts is 1; {UNBOUNDED}",
        ),
        ("POST", {"fallback": ("b",)}, f"{NOT_IN_METHODS}; {NOT_ASKED}; {UNBOUNDED}"),
        (
            "GET",
            {"retry": None, "fallback": ("b",)},
            "not sent again: [retry] is off; then b is asked; at last: the last attempt goes on",
        ),
        ("POST", {}, f"{NOT_IN_METHODS}; {UNBOUNDED}"),
        (
            "GET",
            {"retry": RetryOptions(only_if_failed_within=Duration(0.5))},
            ENDED.replace("in all", "in all if it failed within 500ms"),
        ),
        (
            "GET",
            {"retry": RetryOptions(only_if_failed_within=Duration(0.1))},
            f"not sent again: later than retry.only_if_failed_within (100ms); {UNBOUNDED}",
        ),
    ],
)
def test_what_per_try_does_is_said(method: str, options: dict[str, Any], becomes: str) -> None:
    clocks = TimeoutsOptions(per_try=AutoDuration(0.5))
    told = said(method, timeouts=clocks, **options)
    assert told["no head within per_try of 500ms"] == becomes


@pytest.mark.parametrize(
    ("per_try", "line"),
    [(AUTO, ["no head within per_try of auto"]), (0.0, []), (700.0, [])],
    ids=["auto", "off", "longer than first_byte"],
)
def test_per_try_has_a_line_where_it_can_run_out(per_try: float, line: list[str]) -> None:
    told = said("GET", timeouts=TimeoutsOptions(per_try=AutoDuration(per_try)))
    assert [way for way in told if "per_try" in way] == line


@pytest.mark.parametrize(
    ("retry", "becomes"),
    [
        ({"attempts": 1}, "waits up to 8s for a server, and is sent then; at last: 502, or 504"),
        ({"on": ("503",)}, "waits up to 8s for a server, and is sent then; at last: 502, or 504"),
        ({}, "sent to another server, 3 times in all; if there is none, it waits up to 8s for one"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_waits_for_a_server_is_said(method: str, retry: dict[str, Any], becomes: str) -> None:
    told = said(method, retry=RetryOptions(wait_for_connect=Duration(8.0), **retry))
    assert told["no connection: nothing was sent"].startswith(becomes)


def test_who_takes_over_is_said() -> None:
    told = said("GET", fallback=("b", "c"))
    assert "then b, c is asked" in told["status 503"]
    assert "is asked" not in told["status 500"]
    told = said("POST", fallback=("b",))
    assert "then b is asked" in told["no connection: nothing was sent"]
    assert "b is not asked, for the same reason" in told["status 503"]
    told = said("GET", fallback=FixedReply(file="x"))
    assert told["status 502"].endswith("at last: the fixed reply of fallback")
    assert told["status 500"].endswith("at last: the answer as it is")


def test_a_status_class_and_a_limit_of_time_are_understood() -> None:
    from_now = RetryOptions(on=("5xx",), only_if_failed_within=Duration(1.0))
    told = said("GET", retry=from_now)
    assert told["status 500"].startswith("sent again, 3 times in all if it failed within 1s")


def test_a_reply_that_nobody_has_seen_is_sent_for_again_and_any_other_is_cut() -> None:
    told = said("GET")
    again = "sent again, 3 times in all; at last: 502"
    assert told["a reply of up to 64 KiB breaks off"] == again
    assert told["any other reply breaks off"].endswith("the client is cut")
    told = said("POST", stream=StreamOptions(commit="body:64KiB"))
    assert told["a reply of up to 64KiB breaks off"].startswith("not sent again: it may have been")


def test_auto_holds_no_reply_to_a_request_that_is_not_sent_again() -> None:
    cut = "nothing is asked again; the client is cut"
    assert said("POST")["the reply breaks off after its head"] == cut
    of_connects = RetryOptions(on=("connect-failure",))
    assert said("GET", retry=of_connects)["the reply breaks off after its head"] == cut
    told = said("GET", retry=of_connects, fallback=("b",))
    assert "then b is asked" in told["a reply of up to 64 KiB breaks off"]


@pytest.mark.parametrize(
    ("commit", "retry", "held"),
    [
        ("body:2MiB", None, "a reply of up to 2MiB breaks off"),
        ("first_chunk", RetryOptions(), "a reply breaks off before its body"),
        ("headers", RetryOptions(), None),
        ("auto", None, None),
        ("auto", RetryOptions(attempts=1), None),
    ],
)
def test_which_replies_are_held_is_said(
    commit: str, retry: RetryOptions | None, held: str | None
) -> None:
    told = said("GET", retry=retry, stream=StreamOptions(commit=commit))
    last = "any other reply breaks off" if held else "the reply breaks off after its head"
    assert [line for line in told if "breaks off" in line] == [*filter(None, [held]), last]
    assert told[last] == "nothing is asked again; the client is cut"
