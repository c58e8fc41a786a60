"""Requests whose header fields came before, byte for byte.

A client repeats itself: what changes from one request to the next is the first line. What the
reader and the rules for fields made of the rest is remembered here, so that only bytes they have
passed already go round them (``docs/decisions/0007``).
"""

import re
from typing import Final, NamedTuple

from aiohttp import web
from aiohttp.streams import EMPTY_PAYLOAD

from proxy.core.clock import monotonic
from proxy.core.exchange import Exchange
from proxy.http.bounded_cache import BoundedCache, Memo
from proxy.http.fields import Encoded, RawHeaders, encode
from proxy.http.grammar import Malformed
from proxy.http.request_id import has_ids, new_ids
from proxy.http.target import normal_path

_LINE: Final = re.compile(
    rb"(DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT) (/[!$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]*) HTTP/1\.1"
)
"""Targets of characters that a URI may hold: whatever parsers disagree on takes the long way."""

PLAIN: Final = frozenset({b"host", b"connection"})
"""The decisive fields of a request that may be remembered."""

_BREAK: Final = b"\r\n"
_LONGEST: Final = 2048
"""Bytes of the fields that are remembered."""
_REMEMBERED: Final = 1024
_ROOM: Final = 4 << 20
"""Bytes for all that is remembered of fields."""
_PARSED: Final = 5
"""What was made of a block holds it about so often, and this much for each field:"""
_FIELD: Final = 300
_LINES: Final = 1024


class _Known(NamedTuple):
    """What was made of the fields of a request, all that is the same for the next one."""

    raw: RawHeaders
    fields: RawHeaders
    lines: bytes
    host: str
    client: str
    scheme: str


class RepeatedRequest(web.BaseRequest):
    """A request that no parser has seen; one serves all of a connection's, one after the other.

    Of what ``BaseRequest`` knows it has what the edge asks for: connection, body and fields.
    """

    def __init__(self, connection: web.RequestHandler) -> None:
        self._protocol = connection
        self._cache = {"content": EMPTY_PAYLOAD}
        self.exchange: Exchange

    def hold(self, exchange: Exchange, raw: RawHeaders) -> "RepeatedRequest":
        """Stand for this request, no more for the one before."""
        self.exchange = exchange
        self._cache["raw_headers"] = raw
        return self


class RequestHeadCache:
    """The fields that are remembered; bounded, since clients choose them."""

    __slots__ = ("_known", "_lines")

    def __init__(self) -> None:
        self._known: BoundedCache[tuple[str, str, bytes], _Known] = BoundedCache(_REMEMBERED, _ROOM)
        self._lines = Memo(_first_line, _LINES)

    def forget(self) -> None:
        """The rules for fields are others now."""
        self._known.clear()

    def store(
        self, data: bytes, exchange: Exchange, raw: RawHeaders, sender: str, scheme: str
    ) -> None:
        """Remember a request without a body that was ``data`` from its first byte to its last.

        ``exchange`` is complete but for what is new in each request. ``sender`` and ``scheme`` are
        the connection's: on another kind of listener the same bytes ask for something else.
        """
        line, _, fields = data.partition(_BREAK)
        if len(fields) > _LONGEST or not self._lines[line] or has_ids(exchange.headers):
            return
        known = _Known(
            raw,
            exchange.headers,
            encode(exchange.headers, None),
            exchange.host,
            exchange.client,
            exchange.scheme,
        )
        size = _PARSED * len(fields) + _FIELD * len(raw)
        self._known.remember((sender, scheme, fields), known, size)

    def lookup(self, data: bytes, sender: str, scheme: str) -> tuple[Exchange, RawHeaders] | None:
        """The exchange that ``data`` is the whole request of, and its fields as they came."""
        line, _, fields = data.partition(_BREAK)
        known = self._known.get((sender, scheme, fields))
        if known is None or (first := self._lines[line]) is None:
            return None
        method, target, path = first
        raw, kept, lines, host, client, asked = known
        request_id, named, naming = new_ids()
        exchange = Exchange(
            method,
            target,
            [*kept, *named],
            path=path,
            host=host,
            client=client,
            scheme=asked,
            request_id=request_id,
            started_at=monotonic(),
        )
        exchange.encoded = Encoded(exchange.headers, lines + naming)
        return exchange, raw


def _first_line(line: bytes) -> tuple[str, bytes, str] | None:
    """Method, target and normal path; None where the long way has to look."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    try:
        return found[1].decode(), found[2], normal_path(found[2])
    except Malformed:
        return None
