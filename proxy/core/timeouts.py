"""The table ``[timeouts]``: how long each kind of wait may take."""

from functools import partial
from typing import Annotated

import msgspec

from proxy.core.duration import AutoDuration, Duration, seconds
from proxy.core.errors import ReplyStalled
from proxy.core.options import Table, described
from proxy.core.words import in_seconds


class TimeoutsOptions(Table, frozen=True, kw_only=True):
    """Each limit has its own status and retry rule; "0": there is no such limit."""

    queue: Annotated[
        Duration,
        described(
            "How long a request waits for a permit, see [concurrency] and [queue]; over it: 503. "
            '"0": it waits without a limit.'
        ),
    ] = seconds(10)
    connect: Annotated[Duration, described("Name look-up, TCP and TLS; over it: 504.")] = seconds(5)
    first_byte: Annotated[
        Duration,
        described(
            "From the last byte of the request that the upstream took to the reply's head; "
            "over it: 504."
        ),
    ] = seconds(600)
    idle: Annotated[
        Duration,
        described(
            "Between two chunks of the reply; over it the reply is cut. While the request is still "
            "being sent, what the upstream takes of it counts too, and waiting for the client does "
            "not."
        ),
    ] = seconds(600)
    progress: Annotated[
        Duration,
        described(
            "Of a stream of events only: like idle, but its comments and pings do not count; "
            "over it the reply is cut."
        ),
    ] = seconds(0)
    total: Annotated[
        Duration,
        described("The whole exchange, retries included; over it: 504, or cut after the head."),
    ] = seconds(0)
    per_try: Annotated[
        AutoDuration,
        described(
            "Time for one attempt, to the head of its reply. If it is over, the next attempt "
            "begins, at the same upstream or at one of fallback. It does not limit the last "
            "attempt, nor a request that may not be sent again: first_byte and total do. "
            "While the proxy waits for a client that uploads, the time does not run. "
            '"auto": four times what 95 % of the attempts of the route take at most, and half a '
            "second at least."
        ),
    ] = msgspec.field(default_factory=partial(AutoDuration, 0))
    tunnel_idle: Annotated[
        Duration,
        described(
            "An upgraded connection ends after this time without a byte in either direction."
        ),
    ] = seconds(3600)


def time_over(bound: tuple[str, str, float]) -> ReplyStalled:
    """The error of a reply that had begun when the time of its exchange was over.

    ``bound``: see ``Record.bound``.
    """
    clock, words, whole = bound
    if not clock:
        return ReplyStalled("the time for the whole exchange was over", clock="total")
    said = f"the reply was not complete within {words} of {in_seconds(whole)}"
    return ReplyStalled(said, clock=clock)
