"""Why a call was slow or has failed: one word to group by. ``why`` has the sentence to read."""

from typing import Final

from proxy.core.outcome import CONNECT_FAILURE, TIMEOUT
from proxy.telemetry.phases import failed_before
from proxy.telemetry.why import ENDED, Why

ANSWER: Final = "answer"
"""Cause: the upstream answered with a status of 500 or above."""
UNAVAILABLE: Final = "unavailable"
"""Cause: no server may be asked, as all are ejected, unhealthy or drained."""
QUOTA: Final = "quota"
"""Cause: a client's quota, or the upstream's own, is used up."""
REQUEST: Final = "request"
"""Cause: the request cannot be served: malformed, too large, without a route."""
PROXY: Final = "proxy"
"""Cause: a fault of the proxy itself, or a limit of its own."""

_TOKENS: Final = {
    "connection_refused": "connect",
    "connection_timeout": "connect",
    "dns_error": "connect",
    "dns_timeout": "connect",
    "tls_protocol_error": "connect",
    "tls_certificate_error": "connect",
    "http_response_timeout": "first_byte",
    "connection_terminated": "first_byte",
    "http_protocol_error": "first_byte",
    "http_response_header_section_size": "first_byte",
    "http_response_incomplete": "body",
    "connection_write_timeout": "client",
    "connection_limit_reached": "queue",
    "destination_unavailable": UNAVAILABLE,
    "destination_not_found": REQUEST,
    "proxy_internal_error": PROXY,
    "proxy_loop_detected": REQUEST,
}
"""The phase, or another cause, that a failure belongs to, by its Proxy-Status token. A call that
its client has left is not here: what it was waiting for then says why."""
_CAUSES: Final = {
    "rate_limited": QUOTA,
    "upstream_quota_exceeded": QUOTA,
    "local_limit": PROXY,
    "connection_limit": PROXY,
    "deadline_too_short": "queue",
}
"""The same by the reason of the failure, where its token stands for several."""
_TIMEOUT: Final = 408
_TOO_MANY: Final = 429
_WHOLE: Final = frozenset({"total", "deadline"})
"""Timeouts of whole calls: the cause is what the time went on until then."""
_OF_BODY: Final = frozenset({"idle", "progress"})
"""Timeouts of a reply that has begun, whose head may not have been passed on yet."""
EXACT: Final = frozenset(
    (
        "connection_limit",
        "credentials_unavailable",
        "deadline_too_short",
        "local_limit",
        "queue_full",
        "server_at_limit",
    )
)
"""Reasons that are told apart although their cause is the same."""


def cause_of(why: Why) -> str:
    """A phase, or one of the other causes above."""
    if why.covered:
        return why.covered
    found = _cause(why)
    if found != "retries":
        return found
    failed = failed_before(why.tries, goes_on=why.between)
    return of_retries([(each.outcome, each.connect, each.status) for each in failed])


def of_retries(failed: list[tuple[str, float | None, int]]) -> str:
    """What time that went on failed attempts is named after: what all of them failed in, if that is
    the connect, the first byte or the body. Of each: its outcome, the seconds of its connect, and
    the status in the head of its reply, 0 where none came.
    """
    found = {
        "connect"
        if outcome == CONNECT_FAILURE or (outcome == TIMEOUT and connect is None)
        else ("body" if status else "first_byte")
        if outcome == TIMEOUT
        else "retries"
        for outcome, connect, status in failed
    }
    return found.pop() if len(found) == 1 else "retries"


def _cause(why: Why) -> str:
    longest = why.phases.longest
    if not why.in_flight and why.reason not in ENDED:
        if why.error == "http_request_error":
            return "client" if why.status == _TIMEOUT else REQUEST
        if why.error == "http_request_denied":
            return _CAUSES.get(why.reason) or (QUOTA if why.status == _TOO_MANY else REQUEST)
        found = _CAUSES.get(why.reason) if why.error else None
        found = found or _TOKENS.get(why.error)
        if why.clock in _OF_BODY and found == "first_byte" and longest != "retries":
            return "body"
        if found == "first_byte" and (
            longest in ("body", "retries") or not why.asked or why.clock in _WHOLE
        ):
            return longest
        if found:
            return "retries" if longest == "retries" and why.asked else found
        if why.status >= 500 and longest != "retries":
            return ANSWER
    return longest
