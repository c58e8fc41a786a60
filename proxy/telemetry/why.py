"""Why a call was slow or has failed: one word to group by, and one sentence to read."""

from typing import Final, NamedTuple

import msgspec

from proxy.core.record import HEDGED
from proxy.telemetry.phases import Phases

ANSWER: Final = "answer"
"""Cause: the upstream answered with a status of 500 or above."""
UNAVAILABLE: Final = "unavailable"
"""Cause: no server may be asked, as all are ejected, unhealthy or drained."""
QUOTA: Final = "quota"
"""Cause: a client's quota, or the upstream's own, is used up."""
REQUEST: Final = "request"
"""Cause: the request cannot be served: malformed, too large, without a route."""
PROXY: Final = "proxy"
"""Cause: a fault of the proxy itself."""

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
    "http_request_denied": QUOTA,
    "destination_not_found": REQUEST,
    "proxy_internal_error": PROXY,
    "proxy_loop_detected": REQUEST,
}
"""The phase, or another cause, that a failure belongs to, by its Proxy-Status token. A call that
its client has left is not here: what it was waiting for then says why."""
_TIMEOUT: Final = 408
_WRONG: Final = {
    "connection_refused": "{where} cannot be connected to",
    "connection_timeout": "no connection to {where} in time",
    "dns_error": "the name of {where} is unknown",
    "dns_timeout": "the name of {where} was not found in time",
    "tls_protocol_error": "no TLS connection to {where}",
    "tls_certificate_error": "the certificate of {where} is not acceptable",
    "http_response_timeout": "no answer of {where} in time",
    "connection_terminated": "{where} ended the connection before it answered",
    "http_protocol_error": "the answer of {where} is not valid HTTP",
    "http_response_incomplete": "the body from {where} broke off",
    "connection_write_timeout": "the client took its reply too slowly and was cut",
    "connection_limit_reached": "no permit was free, or no connection",
    "destination_unavailable": "no server may be asked",
    "destination_not_found": "no route leads there",
    "http_request_error": "the request was refused",
    "proxy_loop_detected": "the request had come through this proxy already",
}
"""What went wrong, by the Proxy-Status token."""
_AT_ONCE: Final = frozenset({"destination_not_found", "http_request_error", "proxy_loop_detected"})
"""What is refused before it could wait for anything but its client."""


class Try(msgspec.Struct, kw_only=True, gc=False):
    """One of several attempts; times are in seconds."""

    server: str
    outcome: str
    at: float | None
    """From the beginning of the call to that of the attempt; None where that is not known."""
    connect: float | None
    """What it spent on getting a connection; None where it got none."""
    seconds: float
    upstream: str = ""
    """Whose server that is."""

    def __str__(self) -> str:
        return f"{place('', self.server)} {self.outcome} after {spell(self.seconds)}"


class Why(NamedTuple):
    """What is known of a call when it is explained."""

    seconds: float
    phases: Phases
    upstream: str
    server: str
    route: str
    client: str
    status: int
    error: str
    bytes_out: int
    tries: list[Try]
    in_flight: bool
    asked: bool
    """Whether a server was asked."""


def cause_of(why: Why) -> str:
    """A phase, or one of the other causes above."""
    if not why.in_flight:
        if why.error == "http_request_error":
            return "client" if why.status == _TIMEOUT else REQUEST
        found = _TOKENS.get(why.error)
        if found == "first_byte" and why.phases.longest in ("body", "retries"):
            return why.phases.longest
        if found:
            return "retries" if why.phases.longest == "retries" and why.asked else found
        if why.status >= 500 and why.phases.longest != "retries":
            return ANSWER
    return why.phases.longest


def sentence(why: Why) -> str:
    """What went wrong, if anything, and what the time went on."""
    longest = why.phases.longest
    spent, total = spell(getattr(why.phases, longest)), spell(why.seconds)
    share = total if spent == total else f"{spent} of {total}"
    text = f"{share} {_going_on(why, longest)}"
    if why.in_flight:
        return f"{text} so far"
    if why.error == "client_gone":
        return f"{text}; then the client left"
    if why.error:
        where = place(why.upstream, why.server)
        wrong = _WRONG.get(why.error, "failed with {error}").format(error=why.error, where=where)
        if why.error in _AT_ONCE and longest != "client":
            return f"{wrong} ({why.status}) after {total}"
        return f"{wrong} ({why.status}); {text}"
    if why.status >= 500:
        return f"{place(why.upstream, why.server)} answered {why.status}; {text}"
    return text


def _going_on(why: Why, phase: str) -> str:
    """``waiting for the first byte of api (10.0.0.2:9000)``."""
    server = place(why.upstream, why.server)
    if phase == "client":
        who = f"the client {why.client}" if why.client else "the client"
        return f"waiting for {who}, to send its body or to take the reply"
    if phase == "queue":
        return f"waiting in the queue{f' of {why.upstream}' if why.upstream else ''}"
    if phase == "retries":
        failed = [each for each in why.tries if each.outcome != HEDGED]
        failed = failed[:-1] if not why.in_flight and len(failed) > 1 else failed
        number = f"{len(failed)} failed {'try' if len(failed) == 1 else 'tries'}"
        asked = " and ".join(dict.fromkeys(each.upstream or why.upstream for each in failed))
        return f"on {number} of {asked or why.upstream} ({', '.join(map(str, failed))})"
    if phase == "connect":
        return f"connecting to {server}"
    if phase == "first_byte":
        return f"waiting for the first byte of {server}"
    return f"receiving the body from {server}, {size(why.bytes_out)}"


def place(upstream: str, server: str) -> str:
    """``api (10.0.0.2:9000)``."""
    short = server.removeprefix("http://")
    if not upstream:
        return short or "no server"
    return f"{upstream} ({short})" if short else upstream


def spell(seconds: float) -> str:
    """``2.3 s``, ``14 ms``, ``3 min 20 s``."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"
    if seconds < 99.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def size(number: float) -> str:
    """``512 B``, ``1.2 MiB``."""
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"
