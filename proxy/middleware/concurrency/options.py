"""The tables `[concurrency]` and `[queue]`."""

from collections.abc import Callable, Iterator
from typing import Annotated, Literal

from msgspec import Meta

from proxy.core.exchange import Exchange
from proxy.core.findings import Finding, Written, one, token_fault
from proxy.core.options import Table, described
from proxy.core.request_key import PATTERN, key_of


class ConcurrencyOptions(Table, frozen=True, kw_only=True):
    """How many requests an upstream has at a time, until their replies have ended."""

    max_requests: Annotated[
        int,
        Meta(
            ge=1, description="Most requests at a time; further ones wait in [queue], or get 503."
        ),
    ] = 1024
    adaptive: Annotated[
        Literal["off", "gradient"],
        described(
            '"gradient" finds the limit from the latencies of the API, between min and '
            "max_requests."
        ),
    ] = "off"
    min: Annotated[int, Meta(ge=1, description="The lowest limit that gradient may find.")] = 4


class QueueOptions(Table, frozen=True, kw_only=True):
    """Where requests wait for `[concurrency]`, for `[timeouts] queue` at the most.

    Also, in a queue of their own, those that wait for a server with `[retry] wait_for_connect`.
    """

    size: Annotated[int, Meta(ge=1, description="Requests that may wait; over it: 503.")] = 1024
    order: Annotated[
        Literal["fair", "fifo", "lifo"],
        described(
            'Which request is next: "fair": one of the client that has the fewest at the API; '
            '"fifo": the oldest; "lifo": the newest.'
        ),
    ] = "fair"
    key: Annotated[
        str,
        Meta(
            pattern=PATTERN,
            description='What tells clients apart for "fair": "client_addr", "route", '
            '"path", "header:NAME" or '
            '"cookie:NAME".',
        ),
    ] = "client_addr"
    priority_header: Annotated[
        str,
        described(
            "Field that says how urgent a request is, from 0 (most) to 7, bare or as in `u=0` "
            "(RFC 9218); without the field it is 3. More urgent requests always go first. Any "
            "client can write this field: if you do not trust your clients with it, set it with "
            "request_headers of the route."
        ),
    ] = ""


def problems(written: Written) -> Iterator[Finding]:
    """What is wrong with `[concurrency]` and `[queue]`."""
    limits, queue = written.options.concurrency, written.options.queue
    if limits is not None:
        place = written.at("concurrency")
        if place and limits.min > limits.max_requests:
            message = f"min ({limits.min}) is more than max_requests ({limits.max_requests})"
            yield Finding((*place, "min"), message)
    if queue is not None and queue.priority_header and (place := written.at("queue")):
        yield from one((*place, "priority_header"), token_fault(queue.priority_header))


def waiter_key(queue: QueueOptions | None) -> Callable[[Exchange], bytes | None]:
    """By what those that wait are told apart: by nothing, unless the order is to be fair."""
    return key_of(queue.key) if queue is not None and queue.order == "fair" else _nobody


def _nobody(_: Exchange) -> None:
    """Nobody is told apart."""
