"""From aiohttp's request to an exchange; what is ambiguous or hostile ends here."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from aiohttp import web

from proxy.core.body import CHUNKED, EMPTY, Body, BytesBody
from proxy.core.errors import (
    BadRequest,
    BodyTooLarge,
    HeadTooLarge,
    LoopDetected,
    MethodNotAllowed,
    RequestTimeout,
    TargetTooLong,
    UnsupportedCoding,
)
from proxy.core.exchange import Exchange
from proxy.core.options import ServerOptions
from proxy.edge.body import ClientBody
from proxy.edge.connection import Connection
from proxy.edge.end_to_end import end_to_end_request, loops, via
from proxy.edge.forwarded import Forwarding
from proxy.edge.hosts import valid_host
from proxy.edge.identity import identified, identify
from proxy.edge.repeats import Repeats
from proxy.edge.target import normal_path, split_target
from proxy.edge.upgrade import offered

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_LOOKALIKES: Final = frozenset({b"content_length", b"transfer_encoding"})
_SINGLE: Final = frozenset({b"host", b"content-length"})
_CREDENTIALS: Final = b"proxy-authorization"
_WATCHED: Final = (
    _SINGLE | _LOOKALIKES | {b"transfer-encoding", b"upgrade", b"expect", _CREDENTIALS}
)
_HOST: Final = {b"host"}
_REMEMBERED: Final = 4096
_watched: Final[dict[bytes, bytes]] = {}
"""The lower case of names in _WATCHED, ``b""`` for others; bounded, clients choose spellings."""
_VERSIONS: Final = ((1, 0), (1, 1))


class Intake:
    """Makes exchanges of requests."""

    __slots__ = ("_forwarding", "_instance", "_loop", "_options", "_repeats", "recall")

    def __init__(self, options: ServerOptions, instance: str) -> None:
        """``instance``: 8 hex digits that tell this proxy from others in Via."""
        self._options = options
        self._instance = instance
        self._forwarding = Forwarding(options.trusted_proxies)
        self._loop = asyncio.get_running_loop()
        self._repeats = Repeats()
        self.recall = self._repeats.recall

    def open(self, request: web.BaseRequest, connection: Connection) -> Exchange:
        """What the log wants to know of any request, good or bad."""
        return Exchange(
            connection.heads.gate.take() or request.method,
            request.raw_path.encode("utf-8", "surrogateescape"),
            request.raw_headers,
            version=(request.version[0], request.version[1]),
            client=connection.peer,
            started=time.monotonic(),
        )

    def admit(self, exchange: Exchange, request: web.BaseRequest, connection: Connection) -> None:
        """Check and complete the exchange. Raises ClientError or LoopDetected."""
        if exchange.version not in _VERSIONS:
            raise BadRequest(f"HTTP version {exchange.version}")
        if 0 < self._options.max_header_size < connection.heads.bound:
            self._measure(exchange)
        watched = self._watch(exchange)
        if exchange.method == "CONNECT":
            raise MethodNotAllowed("no tunnels", ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"))
        exchange.target, authority = split_target(exchange.method, exchange.target)
        host = _host(exchange, watched, authority)
        exchange.host = host.decode("latin-1")
        exchange.path = normal_path(exchange.target)
        exchange.body = self._body(exchange, watched, request, connection)
        raw = exchange.headers
        if b"upgrade" in watched and exchange.body is EMPTY and exchange.version >= (1, 1):
            exchange.upgrade = offered(raw)
        if _CREDENTIALS in watched:
            exchange.proxy_credentials = watched[_CREDENTIALS]
        if loops(raw, self._instance):
            raise LoopDetected("Via names this instance")
        fields, exchange.client, exchange.scheme = self._forwarding.apply(
            end_to_end_request(raw), peer=connection.peer, scheme="http", host=host
        )
        fields.append((b"Via", via(self._instance, exchange.version)))
        exchange.headers = fields
        alone, connection.alone = connection.alone, b""
        if alone and connection.reusable and watched.keys() == _HOST and not identified(fields):
            self._repeats.learn(alone, exchange, raw, connection.peer)
        exchange.headers, exchange.request_id = identify(fields)

    def _measure(self, exchange: Exchange) -> None:
        """The parser bounds each line; the whole is ours to bound."""
        limit = self._options.max_header_size
        line = len(exchange.method) + len(exchange.target) + len("  HTTP/1.1\r\n")
        if line > limit:
            raise TargetTooLong(f"{line} bytes")
        size = line + 2 + sum([len(name) + len(value) + 4 for name, value in exchange.headers])
        if size > limit:
            raise HeadTooLarge(f"{size} bytes")

    def _watch(self, exchange: Exchange) -> dict[bytes, bytes]:
        """The fields that decide on framing and what is done with the connection."""
        watched: dict[bytes, bytes] = {}
        for name, value in exchange.headers:
            low = _watched.get(name)
            if low is None:
                low = name.lower()
                low = low if low in _WATCHED else b""
                if len(_watched) < _REMEMBERED:
                    _watched[name] = low
            if low:
                if low in _LOOKALIKES or (low in watched and low in _SINGLE):
                    raise BadRequest(f"field {name!r}")
                watched[low] = b"%b, %b" % (watched[low], value) if low in watched else value
        return watched

    def _body(
        self,
        exchange: Exchange,
        watched: dict[bytes, bytes],
        request: web.BaseRequest,
        connection: Connection,
    ) -> Body:
        coding = watched.get(b"transfer-encoding")
        declared = watched.get(b"content-length")
        length: int | None = None
        if coding is not None:
            if exchange.version < (1, 1):  # RFC 9112 6.1
                raise BadRequest("Transfer-Encoding in HTTP/1.0")
            if declared is not None:
                raise BadRequest("Transfer-Encoding and Content-Length")
            if coding.lower() != b"chunked":
                codings = [name.strip().lower() for name in coding.split(b",")]
                if set(codings) <= {b"", b"chunked"}:
                    raise BadRequest(f"transfer coding {coding!r}")
                raise UnsupportedCoding(f"transfer coding {coding!r}")
            framing = CHUNKED
        elif declared is None:
            return EMPTY
        else:
            length = int(declared)
            framing = b"Content-Length: %d\r\n" % length
        if length != 0:
            self._check_body(exchange, watched, length)
        content = request.content
        if (error := content.exception()) is not None:
            raise (
                error if isinstance(error, BadRequest | RequestTimeout) else BadRequest(str(error))
            )
        if content.is_eof():
            whole = content.read_nowait()
            self._check_length(len(whole))
            return BytesBody(whole, framing, length)
        go_ahead = None
        if watched.get(b"expect", b"").lower() == b"100-continue" and exchange.version >= (1, 1):
            go_ahead = _continue(connection)
        connection.begin(content)
        return ClientBody(content, length, self._options, self._loop, go_ahead)

    def _check_body(
        self, exchange: Exchange, watched: dict[bytes, bytes], length: int | None
    ) -> None:
        if exchange.method == "TRACE":  # RFC 9110 9.3.8
            raise BadRequest("TRACE with a body")
        # curl and Java offer h2c with any request; it is left out on the way, like every upgrade.
        if b"upgrade" in watched and watched[b"upgrade"].lower() != b"h2c":
            raise BadRequest("Upgrade with a body")
        if length is not None:
            self._check_length(length)

    def _check_length(self, length: int) -> None:
        limit = self._options.max_body
        if limit and length > limit:
            raise BodyTooLarge(f"{length} bytes, over {limit}")


def _continue(connection: Connection) -> Callable[[], None]:
    def go_ahead() -> None:
        if not connection.exchange.committed:  # else it would stand in the midst of a reply
            connection.put(_CONTINUE)

    return go_ahead


def _host(exchange: Exchange, watched: dict[bytes, bytes], authority: bytes | None) -> bytes:
    """The one Host that both the field and an absolute target agree on (RFC 9112 3.2)."""
    host = watched.get(b"host")
    if host is None:
        if exchange.version >= (1, 1):
            raise BadRequest("no Host")
        return authority or b""
    if not valid_host(host):
        raise BadRequest(f"Host {host!r}")
    if authority is not None and _plain(authority) != _plain(host):
        raise BadRequest(f"Host {host!r} against target {authority!r}")
    return host


def _plain(authority: bytes) -> bytes:
    """Comparable: lower case, the default port left out (RFC 9110 4.2.3)."""
    return authority.lower().removesuffix(b":80")
