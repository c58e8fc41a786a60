"""The table ``[timeouts]``: how long each kind of wait may take."""

from typing import Annotated

from proxy.core.duration import Duration, seconds
from proxy.core.options import Table, described


class TimeoutsOptions(Table, frozen=True, kw_only=True):
    """Each clock has its own status and retry rule; "0" switches it off."""

    queue: Annotated[
        Duration,
        described(
            "How long a request waits for a permit, see [concurrency] and [queue]; over it: 503."
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
        Duration, described("Between two chunks of the reply; over it the reply is cut.")
    ] = seconds(600)
    progress: Annotated[
        Duration,
        described(
            "Like idle, but comments and pings of a stream of events do not count; "
            "over it the reply is cut."
        ),
    ] = seconds(0)
    total: Annotated[
        Duration,
        described("The whole exchange, retries included; over it: 504, or cut after the head."),
    ] = seconds(0)
    per_try: Annotated[
        Duration,
        described(
            "One attempt, up to the head of its reply; over it: 504, unless "
            "another attempt follows."
        ),
    ] = seconds(0)
    tunnel_idle: Annotated[
        Duration,
        described(
            "An upgraded connection ends after this time without a byte in either direction."
        ),
    ] = seconds(3600)
