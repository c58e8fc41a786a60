"""The options of ``[coalesce]``."""

from typing import Annotated

from msgspec import Meta

from proxy.core.duration import Duration, seconds
from proxy.core.options import Table, described


class CoalesceOptions(Table, frozen=True, kw_only=True):
    """Equal GETs and QUERYs that are under way at the same time share one request."""

    max_waiters: Annotated[
        int, Meta(ge=1, description="Clients that share one request; further ones send their own.")
    ] = 1024
    wait_timeout: Annotated[
        Duration,
        described(
            "How long a request waits for the head of a shared reply before it is sent by itself; "
            '"0": as long as its own timeouts allow.'
        ),
    ] = seconds(0)
