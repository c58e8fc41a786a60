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
from proxy.core.timeouts import TimeoutsOptions
from proxy.middleware.retry.may_repeat import repeats_broken
from proxy.middleware.retry.options import RetryOptions, statuses


class Failure(NamedTuple):
    """One way in which an attempt can fail."""

    name: str
    """As ``[retry] on`` calls it, or ``"per_try"``, after which it need not allow another try."""
    what: str
    answer: str
    """What the client is given where nobody else is asked, or has no better answer."""
    taken_over: bool
    """Whether another upstream of ``fallback`` takes over."""


_PER_TRY: Final = "per_try"
_PASSED: Final = "the answer as it is"
_FAILURES: Final = (
    Failure(
        CONNECT_FAILURE, "no connection: nothing was sent", "502, or 504 after a timeout", True
    ),
    Failure(STALE_CONNECTION, "an idle connection had ended", "502", True),
    Failure(RESET, "a reset after it was sent", "502", True),
    Failure(TIMEOUT, "no head within first_byte", "504", True),
)
_STATUSES: Final = ("429", "500", "502", "503")
"""Those that are said always."""


def failures(route: Route, asked: Exchange) -> Iterator[str]:
    """Lines for a reader."""
    rules = route.retry or RetryOptions()
    others = route.others
    fixed = route.fallback if route.fallback and not others else None
    may_follow = route.retry is not None and rules.attempts > 1 and repeatable(asked, rules)
    may_follow = may_follow and (repeats_broken(rules) or bool(route.fallback))
    held = _held(route.stream or StreamOptions(), may_follow=may_follow)
    broken = (Failure(RESET, held, "502", True),) if held else ()
    named = {each for each in rules.on if each.isdigit()}
    answers = [
        Failure(each, f"status {each}", _PASSED, takes_over(int(each)))
        for each in sorted({*_STATUSES, *named})
    ]
    for failure in (*_per_try(route.timeouts), *_FAILURES, *answers, *broken):
        steps = [_again(failure, route, asked)]
        nothing_sent = failure.name == CONNECT_FAILURE
        answer = failure.answer
        if failure.taken_over and others:
            if nothing_sent or repeatable(asked, rules):
                steps.append(f"then {', '.join(others)} is asked")
            else:
                steps.append(f"{', '.join(others)} is not asked, for the same reason")
        if failure.taken_over and fixed is not None and failure.name != _PER_TRY:
            answer = "the fixed reply of fallback"
        if failure.name == _PER_TRY and all(" not " in f" {step}" for step in steps):
            answer = "it goes on: per_try bounds nothing"
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


def _per_try(clocks: TimeoutsOptions) -> Iterator[Failure]:
    """The clock that ends an attempt only for another one."""
    if clocks.per_try and not clocks.per_try > clocks.first_byte > 0:
        what = f"no head within per_try of {clocks.per_try}"
        yield Failure(_PER_TRY, what, "the last attempt goes on", True)


def _again(failure: Failure, route: Route, asked: Exchange) -> str:
    """Whether it is sent again, and why not."""
    options = route.retry
    if options is None:
        return "not sent again: [retry] is off"
    if failure.name == CONNECT_FAILURE and options.wait_for_connect:
        return _until_connected(options)
    if options.attempts == 1:
        return "not sent again: retry.attempts is 1"
    named = failure.name in (*options.on, _PER_TRY)
    if not named and not (failure.name.isdigit() and int(failure.name) in statuses(options.on)):
        return f"not sent again: {failure.name} is not in retry.on"
    if failure.name != CONNECT_FAILURE and not repeatable(asked, options):
        header = f", and it has no {options.idempotency_header}"
        why = (
            f"{asked.method} is not in retry.methods{header if options.idempotency_header else ''}"
        )
        return f"not sent again: it may have been done, {why}"
    within = options.only_if_failed_within
    if failure.name == _PER_TRY and 0 < within < route.timeouts.per_try:
        return f"not sent again: later than retry.only_if_failed_within ({within})"
    return f"sent again{_often(options)}"


def _until_connected(options: RetryOptions) -> str:
    """With ``wait_for_connect``, which holds for any method and whatever ``on`` names."""
    waits = f"waits up to {options.wait_for_connect}"
    if options.attempts == 1 or CONNECT_FAILURE not in options.on:
        return f"{waits} for a server, and is sent then"
    return f"sent to another server{_often(options)}; if there is none, it {waits} for one"


def _often(options: RetryOptions) -> str:
    """How many attempts there are, and for how long."""
    within = options.only_if_failed_within
    early = f" if it failed within {within}" if within else ""
    return f", {options.attempts} times in all{early}"
