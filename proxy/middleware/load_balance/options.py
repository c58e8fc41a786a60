"""The table `[load_balance]`."""

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta

from proxy.core.duration import Duration, seconds
from proxy.core.findings import Finding, Written, percent_doubts
from proxy.core.options import Table, described
from proxy.core.request_key import PATTERN


class LoadBalanceOptions(Table, frozen=True, kw_only=True):
    """How requests are spread over the servers of an upstream."""

    policy: Annotated[
        Literal["round_robin", "least_request", "peak_ewma", "hash"],
        described(
            "round_robin: in turn; least_request: the less busy of two, and less to servers that "
            "are slow beside the others; peak_ewma: the faster of two; hash: by hash_key."
        ),
    ] = "least_request"
    hash_key: Annotated[
        str,
        Meta(
            pattern=PATTERN,
            description='With "hash", requests with the same value go to the same server: '
            '"path", "client_addr", "header:NAME", "cookie:NAME", or "route": all requests of a '
            "route go to one server.",
        ),
    ] = "path"
    min_share: Annotated[
        float,
        Meta(
            gt=0,
            le=100,
            description='With "least_request", what a server keeps of its share, in percent, '
            "however slow it is beside the others; 100: it does not matter how slow it is.",
        ),
    ] = 5.0
    ejection_time: Annotated[
        Duration,
        described(
            "How long a server that fails three times in a row is left alone at first, where there "
            "is no [circuit_breaker]; up to five times as long if it fails again at once. No "
            'connection, a reset, a timeout, 502, 503 and 504 are failures. "0": never.'
        ),
    ] = seconds(1)
    slow_start: Annotated[
        Duration,
        described("A server that is new or has recovered gets its full share after this time."),
    ] = seconds(0)
    panic_threshold: Annotated[
        float,
        Meta(
            ge=0,
            le=100,
            description="If less than this share of the servers, in percent, can be used, all of "
            "them are used; 0: never. Those that an operator has drained do not count, and are not "
            "used.",
        ),
    ] = 0.0


def problems(written: Written) -> Iterator[Finding]:
    """What is wrong with `[load_balance]`."""
    return percent_doubts(written, "load_balance", "panic_threshold")
