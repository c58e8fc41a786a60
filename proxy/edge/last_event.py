"""The last event of a stream that broke, as the clients of well-known APIs expect an error.

Each shape was tried with the libraries themselves (``tests/reports/test_real_clients.py``).
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, TypeAlias

import msgspec

from proxy.core.errors import ProxyError
from proxy.core.reply import Reply
from proxy.edge.responses import problem
from proxy.http.codings import codings
from proxy.http.fields import values

Said: TypeAlias = dict[str, Any]
"""problem+json: type, title, status, detail, instance."""

_ANTHROPIC: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Names of errors by status, as that API has them; ``api_error`` for others."""
_ERROR: Final = 400
"""Statuses from here on say themselves that something went wrong."""


def last_event(
    failed: ProxyError | Reply, request_id: str, *, shape: str, details: bool = False
) -> bytes:
    """The event, its empty line included.

    ``failed``: an error, or a reply that came instead of the stream that the client was promised.
    ``shape``: as ``[stream] on_error`` calls it; ``"abort"`` as ``"event"``, for a stream that was
    opened has no status left to tell with.
    """
    if isinstance(failed, Reply):
        said = _instead(failed, request_id)
        own = _own_error(failed)
    else:
        said = msgspec.json.decode(problem(failed, request_id, details=details))
        own = None
    return _SHAPES.get(shape, _event)(said, own)


def _event(said: Said, own: Said | None) -> bytes:
    return b"event: error\ndata: %b\n\n" % msgspec.json.encode(said)


def _openai(said: Said, own: Said | None) -> bytes:
    """An event without a name whose data has ``error``; one with ``message`` in it."""
    error = own or {
        "message": _sentence(said),
        "type": "server_error",
        "param": None,
        "code": str(said["status"]),
    }
    return b"data: %b\n\n" % msgspec.json.encode({"error": error})


def _anthropic(said: Said, own: Said | None) -> bytes:
    kind = _ANTHROPIC.get(said["status"], "api_error")
    error = own or {"type": kind, "message": _sentence(said)}
    body = {"type": "error", "error": error, "request_id": said["instance"]}
    return b"event: error\ndata: %b\n\n" % msgspec.json.encode(body)


def _graphql(said: Said, own: Said | None) -> bytes:
    """A result that is an error, and the operation's end (GraphQL over SSE, distinct connections).

    Without ``complete`` a client would run the operation again.
    """
    error = {"message": _sentence(said), "extensions": {"code": "UPSTREAM_ERROR", "http": said}}
    result = msgspec.json.encode({"errors": [error]})
    return b"event: next\ndata: %b\n\nevent: complete\ndata:\n\n" % result


_SHAPES: Final[dict[str, Callable[[Said, Said | None], bytes]]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "graphql": _graphql,
}


def _sentence(said: Said) -> str:
    return f"{said['detail']} (status {said['status']}, request {said['instance']})"


def _instead(reply: Reply, request_id: str) -> Said:
    """What to say of a reply that came when the client had been promised a stream of events."""
    status, title = reply.status, reply.reason.decode("latin-1")
    detail = f"the upstream answered {status}"
    if status < _ERROR:
        kind = values(reply.headers, b"content-type") or [b"no Content-Type"]
        coding = codings(reply.headers)
        with_what = b"Content-Encoding: " + coding[-1] if coding else kind[-1]
        detail += (
            f" with {with_what.decode('latin-1')}, where an uncompressed stream of events was due"
        )
        status, title = HTTPStatus.BAD_GATEWAY.value, HTTPStatus.BAD_GATEWAY.phrase
    return {
        "type": "about:blank",
        "title": title or "Error",
        "status": status,
        "detail": detail,
        "instance": request_id,
    }


def _own_error(reply: Reply) -> Said | None:
    """The API's own word for what went wrong, where it is here and looks like that of the shape."""
    whole = reply.buffered
    if reply.status < _ERROR or not whole:
        return None
    try:
        found = msgspec.json.decode(whole)
    except msgspec.DecodeError:
        return None
    error = found.get("error") if isinstance(found, dict) else None
    return error if isinstance(error, dict) and isinstance(error.get("message"), str) else None
