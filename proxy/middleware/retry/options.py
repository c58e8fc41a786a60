"""The table `[retry]`: what may be tried again, how often, and how long to wait."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from proxy.core import findings
from proxy.core.body import Body
from proxy.core.duration import Duration, seconds
from proxy.core.findings import Finding, Written, method_fault, percent_doubt, token_fault
from proxy.core.options import MOST, Table, described
from proxy.core.size import Size, size

CAUSES: Final = ("connect-failure", "stale-connection", "reset", "timeout")
"""Failures that ``on`` may name beside statuses."""

PATTERN: Final = f"^({'|'.join(CAUSES)}|[1-5][0-9][0-9]|[1-5]xx)$"
_SUCCESS: Final = re.compile("1..|20[013-9]|2[1-9][0-9]|2xx|304|3xx")
"""What ``on`` may name and nobody means. 202 may be "not yet", and a redirect a page of excuses."""


class BudgetOptions(Table, frozen=True, kw_only=True):
    """How much retries may add to the load of an upstream. Routes with equal tables share it."""

    percent: Annotated[
        float, Meta(ge=0, le=1000, description="Retries, in percent of the requests in `window`.")
    ] = 20.0
    min_per_second: Annotated[
        float,
        Meta(
            ge=0,
            le=MOST,
            description="Retries a second that are always allowed; 0.05 is one in 20 s.",
        ),
    ] = 3.0
    window: Annotated[Duration, described("The time over which requests are counted.")] = seconds(
        10
    )


class RetryOptions(Table, frozen=True, kw_only=True):
    """Send a request again, if no server received it or if it may be repeated."""

    attempts: Annotated[
        int,
        Meta(
            ge=1,
            le=10,
            description="Attempts in all, the first and the copies of [hedge] included. 1: none is "
            "tried again, and [hedge] max alone limits the copies.",
        ),
    ] = 3
    on: Annotated[
        tuple[
            Annotated[str, Meta(pattern=PATTERN)],
            ...,
        ],
        described(
            'What is tried again: "connect-failure", "stale-connection", "reset", "timeout", '
            'and statuses such as "503", or "5xx" for all of them. What took longer than per_try '
            "is always tried again. What methods do not allow, such as a POST without "
            "Idempotency-Key, is tried again only if no server received it, whatever is named "
            "here. A list takes the place of the default as a whole."
        ),
    ] = ("connect-failure", "stale-connection", "reset", "502", "503", "504")
    wait_for_connect: Annotated[
        Duration,
        described(
            "How long a request of any method may wait while no server of the upstream can be "
            "connected to, such as during a restart. As many as [queue] size may wait, in its "
            'order; the first connection that works wakes them all. "0": none waits.'
        ),
    ] = seconds(0)
    last_chance: Annotated[
        bool,
        described(
            "The proxy learns when clients give up: once eight have left after the same time, it "
            "sends a stalled request again shortly before that time. Once for each request, within "
            "the budget, and only if it has no body and may be repeated. Only where on names "
            '"reset" or "timeout", and not with per_try or [hedge], which act earlier.'
        ),
    ] = True
    methods: Annotated[
        tuple[str, ...],
        described("Methods that may be sent again although they may have been received."),
    ] = ("GET", "HEAD", "OPTIONS", "QUERY", "PUT", "DELETE")
    idempotency_header: Annotated[
        str,
        described("A request that carries this field, with one value, counts as idempotent."),
    ] = "Idempotency-Key"
    backoff_base: Annotated[
        Duration,
        described(
            "Longest wait before the second attempt; it doubles for each further one. The wait is "
            "random, up to that."
        ),
    ] = seconds(0.05)
    backoff_max: Annotated[Duration, described("Longest wait between two attempts.")] = seconds(2)
    respect_retry_after: Annotated[
        bool,
        described("Before another attempt, wait as long as Retry-After of the failed reply says."),
    ] = True
    max_retry_after: Annotated[
        Duration,
        described(
            'A reply that asks for a longer wait goes to the client at once; "0": any wait is kept.'
        ),
    ] = seconds(30)
    only_if_failed_within: Annotated[
        Duration,
        described(
            'Only failures that came within this time are tried again; "0": all. What the attempt '
            "waited for in the proxy, such as a permit, does not count."
        ),
    ] = seconds(0)
    max_body: Annotated[
        Size,
        described(
            'Request bodies up to this size are kept in memory for another try; "0" for any size. '
            "32 MiB for all of them together; a body for which there is no room counts as larger. "
            "A body that arrived in the same read as its head may always be sent again."
        ),
    ] = size(1 << 20)
    spool: Annotated[
        bool,
        described(
            "Keep larger bodies in a temporary file, up to 256 MiB each and 1 GiB in all; a body "
            "over that is not sent again. false: a larger body is not sent again, unless it is "
            "here with its head."
        ),
    ] = True
    budget: BudgetOptions = msgspec.field(default_factory=BudgetOptions)

    def keep(self, body: Body) -> None:
        """Have a body kept for another try, as far as these options allow."""
        body.keep(self.max_body, spool=self.spool)


def problems(written: Written) -> Iterator[Finding]:
    """What is wrong with `[retry]`."""
    options: RetryOptions | None = written.options.retry
    if options is None:
        return
    place = written.own("retry")
    if place is not None:
        table = written.entry["retry"]
        methods = options.methods if "methods" in table else ()
        yield from findings.each((*place, "methods"), methods, method_fault)
        if not options.budget.window and "window" in (table.get("budget") or ()):
            yield Finding((*place, "budget", "window"), "expected a time above 0")
        if (header := options.idempotency_header) and "idempotency_header" in table:
            yield from findings.one((*place, "idempotency_header"), token_fault(header))
    if written.is_top:
        return  # what a table at the top means is known in the routes that inherit it
    if on := written.at("retry", "on"):
        for index, name in enumerate(options.on):
            if _SUCCESS.fullmatch(name):
                message = f"a reply with {name} is no failure, and would be thrown away"
                yield from findings.warn((*on, index), message)
    if budget := written.at("retry", "budget"):
        yield from findings.warn((*budget, "percent"), percent_doubt(options.budget.percent))


def statuses(on: Sequence[str]) -> frozenset[int]:
    """The statuses that ``on`` names; ``"5xx"`` is 500 to 599."""
    found: set[int] = set()
    for name in on:
        if name.isdigit():
            found.add(int(name))
        elif name.endswith("xx"):
            found.update(range(int(name[0]) * 100, int(name[0]) * 100 + 100))
    return frozenset(found)
