"""The table ``[rate_limit]``, which rate_limit, upstream_quota and credentials read.

It is here and not beside one of them because middlewares do not import each other.
"""

from typing import Annotated

from msgspec import Meta

from proxy.core.duration import Duration, seconds
from proxy.core.options import MOST, Table, described
from proxy.core.request_key import PATTERN


class RateLimitOptions(Table, frozen=True, kw_only=True):
    """How many requests a client may make; the upstream's own limits are respected too."""

    average: Annotated[
        float,
        Meta(
            ge=0,
            le=MOST,
            description="Requests in a period, for each key, and at least one in a year; over it: "
            "429. 0: no limit.",
        ),
    ] = 0.0
    period: Annotated[Duration, described("The time that average is for.")] = seconds(1)
    burst: Annotated[
        float,
        Meta(
            ge=0,
            le=MOST,
            description="Requests that may come at once; 0: as many as in a period, at least one.",
        ),
    ] = 0.0
    key: Annotated[
        str,
        Meta(
            pattern=PATTERN,
            description='What tells clients apart: "client_addr", "route", "path", '
            '"header:NAME" or "cookie:NAME"; requests without it share a limit.',
        ),
    ] = "client_addr"
    max_wait: Annotated[
        Duration,
        described(
            "A request that would be let through within this time waits; others are refused. "
            '"0": none waits.'
        ),
    ] = seconds(0)
    count_hits: Annotated[
        bool,
        described(
            "Whether a request that `[cache]` answers without asking anybody counts too. false: it "
            "gives back what it took; a client that has nothing left is refused all the same."
        ),
    ] = True
    learn: Annotated[
        bool,
        described(
            "Do not send what a server would refuse: respect its Retry-After and RateLimit fields, "
            "wait for `max_wait` at the most, then answer 429."
        ),
    ] = True
