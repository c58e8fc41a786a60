"""The answers that the proxy makes itself, and what the log says of them.

Which status each error has stands in ``edge/statuses``.
"""

import logging
import math
from http import HTTPStatus
from typing import Annotated, Final, Literal, NamedTuple

import msgspec

from proxy.core import errors as e
from proxy.core.exchange import Exchange
from proxy.core.local_limits import complain
from proxy.core.options import Table, described
from proxy.core.outcome import last_outcome
from proxy.core.redaction import SECRETS, conceal, sent
from proxy.core.words import in_seconds, plain
from proxy.edge.statuses import SENTENCES, failure
from proxy.http.date import http_date
from proxy.http.fields import RawHeaders
from proxy.http.grammar import quoted
from proxy.http.request_id import REQUEST_ID

log = logging.getLogger(__name__)


class ErrorsOptions(Table, frozen=True, kw_only=True):
    """The bodies of answers that the proxy makes itself."""

    format: Annotated[
        Literal["problem+json", "text"],
        described("application/problem+json (RFC 9457) or text/plain."),
    ] = "problem+json"
    details: Annotated[
        bool, described("Say in the answer what failed and where; the log always says it.")
    ] = False


_RETRY_AFTER: Final = b"Retry-After"  # house: it is said here, not read
RETRY_AFTER: Final = 1
"""Seconds after which a client refused for want of room may come again."""

DEFAULTS: Final = ErrorsOptions()


CLIENT_GONE: Final = 499
"""nginx's number for a client that left before its answer; only ever seen in logs."""

_NO_REFUSALS: Final = e.ClientGone, e.RequestTimeout
"""Errors of the client's side that refuse nothing."""
_REFUSALS: Final = (
    e.ClientError,
    e.NotAttempted,
    e.ConnectionLimit,
    e.ShuttingDown,
    e.LoopDetected,
)
"""Errors with which the proxy refuses a request, and sends it to nobody."""


def charge(exchange: Exchange, error: e.ProxyError) -> HTTPStatus:
    """Note what an exchange failed of, for the log and for metrics; the status of that."""
    status, exchange.error = failure(error)
    record = exchange.record
    if error.clock:
        record.clock = error.clock
    if isinstance(error, _REFUSALS) and not isinstance(error, _NO_REFUSALS):
        record.refused = error.reason
    return status


class ErrorResponse(NamedTuple):
    """An answer that the proxy makes itself."""

    status: HTTPStatus
    reason: bytes
    fields: RawHeaders
    body: bytes


def error_response(
    error: e.ProxyError, options: ErrorsOptions | None = DEFAULTS, *, request_id: str
) -> ErrorResponse:
    """What the client is told; ``options`` None leaves the body empty."""
    status, token = failure(error)
    body, kind = _body(error, status, options, request_id)
    detail = ""
    if options is not None and options.details and error.detail:
        detail = f"; details={_string(sentence(error))}"
    fields = [(b"Proxy-Status", f"sidecar-proxy; error={token}{detail}".encode())]
    if isinstance(error, e.MethodNotAllowed):
        fields.append((b"Allow", ", ".join(error.allow).encode()))
    if isinstance(error, e.ConnectionLimit | e.ShuttingDown):
        fields.append((_RETRY_AFTER, b"%d" % RETRY_AFTER))
    elif isinstance(error, e.NotAttempted | e.RateLimited) and error.retry_after is not None:
        fields.append((_RETRY_AFTER, b"%d" % max(1, math.ceil(error.retry_after))))
    if isinstance(error, e.RateLimited):
        fields.append((b"RateLimit-Policy", error.policy.encode()))
        fields.append((b"RateLimit", error.limit.encode()))
    fields.append((REQUEST_ID, request_id.encode()))
    fields.append((b"Date", http_date()))
    if body:
        fields.append((b"Content-Type", kind))
    return ErrorResponse(status, status.phrase.encode(), fields, body)


def note_failure(exchange: Exchange, error: e.ProxyError) -> str:
    """Note the sentence that the access log has no room for, and what the last attempt came to."""
    what = sentence(error)
    record = exchange.record
    record.failure = error.reason, what
    record.outcome = last_outcome(error) or record.outcome
    return what


def log_error(exchange: Exchange, error: e.ProxyError) -> None:
    """The same on standard error too."""
    what = note_failure(exchange, error)
    if isinstance(error, e.LocalLimit):
        complain(error.kind, error.detail)
        return
    _note(exchange, what, failure(error)[1])


def log_covered(exchange: Exchange, error: e.ProxyError) -> str:
    """Likewise of a failure in whose place another reply is given; its token."""
    name_route(error, exchange.route)
    log_error(exchange, error)
    return failure(error)[1]


def charge_stalled_client(exchange: Exchange, seconds: float) -> None:
    """The client took nothing of its reply for ``[server] write_idle_timeout``."""
    exchange.error = "connection_write_timeout"
    exchange.record.clock = "write_idle_timeout"
    what = (
        f"the client took nothing of its reply within write_idle_timeout of {in_seconds(seconds)}"
    )
    exchange.record.failure = "", what
    _note(exchange, what, exchange.error)


def log_client_gone(exchange: Exchange, now: float) -> None:
    """The client did not wait for its answer; ``now`` is monotonic."""
    when = "before its reply began"
    if exchange.committed:
        when = f"after {exchange.bytes_out} bytes of its reply"
    what = f"the client left after {in_seconds(now - exchange.started_at)}, {when}"
    _note(exchange, what, exchange.error)


def _note(exchange: Exchange, what: str, token: str) -> None:
    extra = {
        "request_id": exchange.request_id,
        "endpoint": exchange.record.endpoint,
        "error": token,
        SECRETS: sent(exchange.headers),
    }
    log.info("%s", what, extra=extra)


def name_route(error: e.ProxyError, route: str) -> None:
    """Have its sentence name the route, which those who raise errors do not know."""
    if isinstance(error, e.LocalLimit):
        return
    if route and error.detail and isinstance(error, e.UpstreamError):
        what, tries, each = error.detail.partition("; tries: ")
        error.detail = f"{what} on route {route}{tries}{each}"


def sentence(error: e.ProxyError, *, details: bool = True) -> str:
    """What happened: which server, clock and reason with ``details``, else what all may know."""
    if details and error.detail:
        return plain(conceal(error.detail))
    for kind in type(error).__mro__:
        if kind in SENTENCES:
            return SENTENCES[kind]
    return SENTENCES[e.InternalError]


def _body(
    error: e.ProxyError, status: HTTPStatus, options: ErrorsOptions | None, request_id: str
) -> tuple[bytes, bytes]:
    if options is None:
        return b"", b""
    detail = sentence(error, details=options.details)
    if options.format == "text":
        return f"{status.value} {status.phrase}\n{detail}\n".encode(), b"text/plain; charset=utf-8"
    whole = _problem(status.value, status.phrase, detail, request_id)
    return whole, b"application/problem+json"


def problem(failed: e.ProxyError, request_id: str, *, details: bool) -> bytes:
    """The data of an event that ends a stream: problem+json (RFC 9457) in one line."""
    status, _ = failure(failed)
    detail = sentence(failed, details=details)
    return _problem(status.value, status.phrase, detail, request_id)


def _problem(status: int, title: str, detail: str, request_id: str) -> bytes:
    return msgspec.json.encode(
        {
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": detail,
            "instance": request_id,
        }
    )


def _string(text: str) -> str:
    """A string of a structured field, which holds printable ASCII only (RFC 9651 3.3.3)."""
    return quoted("".join(c if " " <= c <= "~" else "?" for c in text).encode()).decode()
