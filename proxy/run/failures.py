"""What becomes of a request whose server fails: one line for each way to fail."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from proxy.config.model import Route
from proxy.core.exchange import Exchange
from proxy.core.outcome import (
    CONNECT_FAILURE,
    RESET,
    STALE_CONNECTION,
    TIMEOUT,
    repeatable,
    takes_over,
)
from proxy.core.stream_options import StreamOptions
from proxy.middleware.retry.may_repeat import repeats_broken
from proxy.middleware.retry.options import RetryOptions, statuses


class Failure(NamedTuple):
    """One way."""

    name: str
    """As ``[retry] on`` calls it."""
    what: str
    answer: str
    """What the client is given where nobody else is asked, or has no better answer."""
    taken_over: bool
    """Whether another upstream of ``fallback`` takes over."""


_PASSED: Final = "the answer as it is"
_FAILURES: Final = (
    Failure(
        CONNECT_FAILURE, "no connection: nothing was sent", "502, or 504 after a timeout", True
    ),
    Failure(STALE_CONNECTION, "an idle connection had ended", "502", True),
    Failure(RESET, "a reset after it was sent", "502", True),
    Failure(TIMEOUT, "no head within first_byte", "504", True),
    *(Failure(str(each), f"status {each}", _PASSED, takes_over(each)) for each in (500, 502, 503)),
)


def failures(route: Route, asked: Exchange) -> Iterator[str]:
    """Lines for a reader."""
    options = route.retry if route.retry is not None and route.retry.attempts > 1 else None
    rules = route.retry or RetryOptions()
    others = route.fallback if isinstance(route.fallback, tuple) else ()
    fixed = route.fallback if route.fallback and not others else None
    may_follow = options is not None and repeatable(asked, options)
    may_follow = may_follow and (repeats_broken(rules) or bool(route.fallback))
    held = _held(route.stream or StreamOptions(), may_follow=may_follow)
    broken = (Failure(RESET, held, "502", True),) if held else ()
    for failure in (*_FAILURES, *broken):
        steps = [_again(failure, options, asked)]
        nothing_sent = failure.name == CONNECT_FAILURE
        answer = failure.answer
        if failure.taken_over and others:
            if nothing_sent or repeatable(asked, rules):
                steps.append(f"then {', '.join(others)} is asked")
            else:
                steps.append(f"{', '.join(others)} is not asked, for the same reason")
        if failure.taken_over and fixed is not None:
            answer = "the fixed reply of fallback"
        yield f"  {failure.what:36} {'; '.join(steps)}; at last: {answer}"
    what = "any other reply breaks off" if held else "the reply breaks off after its head"
    yield f"  {what:36} nothing is asked again; the client is cut"


def _held(options: StreamOptions, *, may_follow: bool) -> str:
    """Which replies no client has seen a part of when they break off; see ``middleware/commit``."""
    kind, _, size = options.commit.partition(":")
    if kind == "headers" or (kind == "auto" and not may_follow):
        return ""
    if kind == "first_chunk":
        return "a reply breaks off before its body"
    return f"a reply of up to {size or '64 KiB'} breaks off"


def _again(failure: Failure, options: RetryOptions | None, asked: Exchange) -> str:
    """Whether it is sent again, and why not."""
    if options is None:
        return "not sent again: [retry] is off"
    numbers = statuses(options.on)
    named = failure.name in options.on or (failure.name.isdigit() and int(failure.name) in numbers)
    if not named:
        return f"not sent again: {failure.name} is not in retry.on"
    if failure.name != CONNECT_FAILURE and not repeatable(asked, options):
        header = f", and it has no {options.idempotency_header}"
        why = (
            f"{asked.method} is not in retry.methods{header if options.idempotency_header else ''}"
        )
        return f"not sent again: it may have been done, {why}"
    within = options.only_if_failed_within
    early = f" if it failed within {within}" if within else ""
    return f"sent again, {options.attempts} times in all{early}"
