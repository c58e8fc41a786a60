"""The tables `[concurrency]` and `[queue]`."""

from typing import Annotated, Literal

from msgspec import Meta

from proxy.core.options import Table, described
from proxy.core.request_key import PATTERN


class ConcurrencyOptions(Table, frozen=True, kw_only=True):
    """How many requests an upstream has at a time, until their replies have ended."""

    max_requests: Annotated[
        int, Meta(ge=1, description="The highest limit; over it: the queue, or 503.")
    ] = 1024
    adaptive: Annotated[
        Literal["off", "gradient"],
        described(
            'With "gradient" the limit follows what the API sustains, as its latencies show, '
            "between min and max_requests."
        ),
    ] = "off"
    min: Annotated[int, Meta(ge=1, description="The lowest limit that is found.")] = 4


class QueueOptions(Table, frozen=True, kw_only=True):
    """Where requests wait for `[concurrency]`, for `[timeouts] queue` at the most."""

    size: Annotated[int, Meta(ge=1, description="Requests that may wait; over it: 503.")] = 1024
    order: Annotated[
        Literal["fair", "fifo", "lifo"],
        described(
            'Which request is next: "fair" one of the client with the fewest under way, '
            '"fifo" the first, "lifo" the last.'
        ),
    ] = "fair"
    key: Annotated[
        str,
        Meta(
            pattern=PATTERN,
            description='Who is who to "fair": "client_addr", "route", "path", "header:NAME" or '
            '"cookie:NAME".',
        ),
    ] = "client_addr"
    priority_header: Annotated[
        str,
        described(
            "Field that says how urgent a request is, from 0 (most) to 7, bare or as in `u=0` "
            "(RFC 9218); 3 where it does not. The more urgent always go first."
        ),
    ] = ""
