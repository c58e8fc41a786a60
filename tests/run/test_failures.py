"""What becomes of a request whose server fails."""

from typing import Any

import msgspec
import pytest

from proxy.config.load import from_upstream
from proxy.config.model import Route
from proxy.core.duration import Duration
from proxy.core.exchange import Exchange
from proxy.core.stream_options import StreamOptions
from proxy.middleware.fallback import FixedReply
from proxy.middleware.retry.options import RetryOptions
from proxy.run.failures import failures


def said(method: str, *fields: tuple[bytes, bytes], **options: Any) -> dict[str, str]:
    """What is said of each way to fail, by its first words."""
    [route] = from_upstream("http://a").routes
    changed: Route = msgspec.structs.replace(route, **options)
    lines = list(failures(changed, Exchange(method, b"/", fields)))
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


def test_a_post_is_sent_again_only_where_it_was_not_sent_or_may_be_repeated() -> None:
    told = said("POST")
    assert told["no connection: nothing was sent"].startswith("sent again")
    why = "POST is not in retry.methods, and it has no Idempotency-Key"
    assert told["a reset after it was sent"].startswith(
        f"not sent again: it may have been done, {why}"
    )
    keyed = said("POST", (b"idempotency-key", b"1"))
    assert keyed["a reset after it was sent"].startswith("sent again")


@pytest.mark.parametrize("options", [None, RetryOptions(attempts=1)], ids=["off", "one"])
def test_without_retry_nothing_is_sent_again(options: RetryOptions | None) -> None:
    told = said("GET", retry=options)
    assert told["status 503"].startswith("not sent again: [retry] is off")


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
