"""The options of ``[coalesce]``."""

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from proxy.core.duration import Duration, seconds
from proxy.core.findings import WARNING, Finding, Written
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


def problems(written: Written) -> Iterator[Finding]:
    """What is wrong with `[coalesce]`."""
    options: CoalesceOptions | None = written.options.coalesce
    methods, at = written.options.methods, written.at("coalesce")
    if options is not None and at and methods and not {"GET", "HEAD", "QUERY"} & set(methods):
        yield Finding(
            at, f"{WARNING} nothing of {', '.join(methods)} is shared, only GET and QUERY"
        )
