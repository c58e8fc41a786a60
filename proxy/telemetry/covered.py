"""Failures that no client has seen, as it was given another reply in their place."""

from typing import Final

from proxy.core.exchange import Exchange
from proxy.core.record import HEDGED, NOT_ATTEMPTED, Record

STALE: Final = "stale"
"""Cause: the API has failed, and a stored reply was given in its place."""
FALLBACK: Final = "fallback"
"""Cause: an upstream has failed, and another one has answered."""
INSTEAD: Final = {
    STALE: "a stored reply was given in its place",
    FALLBACK: "{} answered in its place",
}
"""What a sentence says of each; of the second, the upstream and the server."""
STANDS_IN: Final = "stale-if-error"
"""How Cache-Status ends where a stored reply stands for a failure."""


def covered(exchange: Exchange) -> str:
    """The cause of a call that has ended well although a server has failed it; else empty."""
    if exchange.error or exchange.status >= 500:
        return ""
    record = exchange.record
    if record.cache.endswith(STANDS_IN):
        return STALE
    return FALLBACK if record.failure[1] else ""


def passed_on(record: Record) -> dict[str, str]:
    """The upstreams that had failed before another one was asked, and the last server of each."""
    return {
        each.upstream: each.endpoint
        for each in record.attempt_log
        if each.upstream not in ("", record.upstream)
        and each.outcome not in (HEDGED, NOT_ATTEMPTED)
    }
