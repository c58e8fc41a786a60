"""Usual heads of requests, read fast: a line that came before is one look-up.

Of the requests of a client hardly any two have the same bytes: path, query, trace and token differ.
What decides on them are few lines that do not differ, Host above all. The first request with such
lines goes the long way (``request_reader``, ``Intake.admit``), and what that makes of them is kept
as a `Shape`. Later ones with the same deciding lines are put together from the shape and their own
other lines, which no rule looks at.

Kinds of lines:

- plain: goes upstream as it came.
- named: X-Request-Id, traceparent, tracestate: goes upstream where it is valid and there is one.
- deciding: Host, and what speaks of the client or of other proxies. Part of the key of a shape.
- length: Content-Length, where the whole body came with the head.
- odd: everything else. The request goes the long way.

Nothing is accepted here that the long way would not accept, see ``docs/decisions/0007``.
"""

import re
from typing import Final, NamedTuple, TypeAlias

from aiohttp import web
from aiohttp.streams import EMPTY_PAYLOAD

from proxy.core.body import BytesBody
from proxy.core.clock import monotonic
from proxy.core.exchange import Exchange
from proxy.edge.forwarded import about_the_client
from proxy.edge.http1.request_head import DECISIVE
from proxy.edge.http1.request_reader import UNLIMITED
from proxy.edge.http1.spool import SMALL
from proxy.edge.options import ServerOptions
from proxy.http.bounded_cache import BoundedCache, Memo
from proxy.http.client_cert import names_client_cert
from proxy.http.fields import FIELD_LINE, LINE, Encoded, RawHeaders, encode
from proxy.http.framing import CRLF, HEAD_END, LENGTH_LINE, content_length
from proxy.http.grammar import Malformed
from proxy.http.hop_by_hop import OF_PROXIES
from proxy.http.logins import names_login
from proxy.http.request_id import EVERY, ID_FIELDS, kept_ids, new_ids
from proxy.http.target import normal_path

_FIRST: Final = re.compile(
    rb"(DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT) (/[!$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]*) HTTP/1\.1"
)
"""Targets of characters that a URI may hold: whatever parsers disagree on takes the long way."""

_NUMBER: Final = 1024
"""Shapes, and first lines, that are kept at a time."""
_LINES: Final = 4096
_LONGEST: Final = 2048
"""Bytes of a line that is kept, and of the deciding lines of a shape."""
_ROOM: Final = 2 << 20
"""Bytes for each of the four: clients choose what is kept."""
_PARSED: Final = 4
"""A line is held about so often: as it came, as name and value, and as it goes on."""
_FIELD: Final = 300
"""Bytes that a field takes beside what it says."""

_PLAIN, _NAMED, _DECIDING, _LENGTH, _ODD, _WEIGHED = range(6)
_BY_VALUE: Final = frozenset({b"authorization", b"connection", b"content-length"})
_Line: TypeAlias = tuple[int, tuple[bytes, bytes], bytes]
"""Kind; field; the line as it goes upstream."""
_NOT_OURS: Final[_Line] = (_ODD, (b"", b""), b"")
_Key: TypeAlias = tuple[str, str, bytes]  # sender, scheme, lines
_First: TypeAlias = tuple[str, bytes, str]  # method, target, normal path


class Shape(NamedTuple):
    """What the deciding lines, the client and the listener make of a request."""

    host: str
    client: str
    scheme: str
    stay: tuple[int, ...]
    """Those of the deciding lines that go upstream where they stand, by their number."""
    fields: RawHeaders
    """What is said behind the client's own fields: who asked, and through whom."""
    lines: bytes


class _Block(NamedTuple):
    """The lines behind the first one, read."""

    raw: RawHeaders
    """The fields as they came."""
    fields: RawHeaders
    """As they go upstream, and the same as ``lines``."""
    lines: bytes
    ids: RawHeaders
    """Those that name the request."""
    length: int
    """Bytes of the body."""
    shape: Shape


class FastRequest(web.BaseRequest):
    """A request that was read fast; one serves all of a connection's, one after the other.

    Of what ``BaseRequest`` knows it has what the edge asks for: connection, body and fields.
    """

    def __init__(self, connection: web.RequestHandler) -> None:
        self._protocol = connection
        self._cache = {"content": EMPTY_PAYLOAD}
        self.exchange: Exchange

    def hold(self, exchange: Exchange, raw: RawHeaders) -> "FastRequest":
        """Stand for this request, no more for the one before."""
        self.exchange = exchange
        self._cache["raw_headers"] = raw
        return self


class FastHeadReader:
    """Reads whole requests; one for all connections."""

    __slots__ = ("_blocks", "_first", "_lines", "_max_body", "_max_head", "_sampled", "_shapes")

    def __init__(self, options: ServerOptions) -> None:
        self._blocks: BoundedCache[_Key, _Block] = BoundedCache(_NUMBER, _ROOM)
        """What came before without a name: a client that sends only that is read in one look."""
        self._shapes: BoundedCache[_Key, Shape] = BoundedCache(_NUMBER, _ROOM)
        self._lines: BoundedCache[bytes, _Line] = BoundedCache(_LINES, _ROOM)
        self._first: BoundedCache[bytes, _First] = BoundedCache(_NUMBER, _ROOM)
        self.follow(options)

    def follow(self, options: ServerOptions, sampled: int = EVERY) -> None:
        """Read by these options; what others have made of a request counts no more."""
        self._sampled = sampled
        self._blocks.clear()
        self._shapes.clear()
        self._max_body = min(options.max_body or SMALL, SMALL)
        self._max_head = (options.max_header_size or UNLIMITED) - len(HEAD_END)

    def learn(
        self, data: bytes, exchange: Exchange, raw: RawHeaders, sender: str, scheme: str
    ) -> None:
        """Keep what the long way made of a request that ``data`` begins with.

        ``exchange`` is complete but for what is new in each request. ``sender`` and ``scheme`` are
        the connection's: on another kind of listener the same bytes ask for something else.
        """
        first, *lines = data[: data.find(HEAD_END)].split(CRLF)
        if self._asked(first) is None:
            return
        known = [self._lines.get(line) or self._read(line) for line in lines]
        if len(known) != len(raw) or any(kind == _ODD for kind, _, _ in known):
            return
        made = exchange.headers
        deciding: list[bytes] = []
        stay = []
        number = 0
        for line, (kind, _, _), field in zip(lines, known, raw, strict=True):
            passed = number < len(made) and made[number] is field
            number += passed
            if kind == _DECIDING:
                if passed:
                    stay.append(len(deciding))
                deciding.append(line)
            elif passed is (kind == _LENGTH):
                return
        key = CRLF.join(deciding)
        if len(key) > _LONGEST:
            return
        own = tuple(made[number:])
        behind = encode(own, None)
        shape = Shape(exchange.host, exchange.client, exchange.scheme, tuple(stay), own, behind)
        size = 2 * len(key) + _PARSED * len(behind) + _FIELD * len(own)
        self._shapes.remember((sender, scheme, key), shape, size)

    def read(self, data: bytes, sender: str, scheme: str) -> tuple[Exchange, RawHeaders] | None:
        """The exchange that ``data`` is the whole request of, and its fields as they came.

        None where the long way has to look.
        """
        end = data.find(HEAD_END)
        if not 0 < end <= self._max_head:
            return None
        first, _, block = data[:end].partition(CRLF)
        read = self._blocks.get((sender, scheme, block)) or self._block(block, sender, scheme)
        if read is None:
            return None
        raw, fields, lines, ids, length, shape = read
        if len(data) != end + 4 + length or length > self._max_body:
            return None
        asked = self._first.get(first) or self._asked(first)
        bound = self._sampled
        names = kept_ids(ids, sampled=bound) if ids else new_ids(sampled=bound)
        if asked is None or names is None:
            return None
        exchange = Exchange(
            asked[0],
            asked[1],
            [*fields, *names.fields],
            path=asked[2],
            host=shape.host,
            client=shape.client,
            scheme=shape.scheme,
            request_id=names.request_id,
            started_at=monotonic(),
        )
        if length:
            exchange.body = BytesBody(data[end + 4 :], LENGTH_LINE % length, length)
        exchange.encoded = Encoded(exchange.headers, lines + names.lines)
        return exchange, raw

    def _block(self, block: bytes, sender: str, scheme: str) -> _Block | None:
        """Read the lines behind the first one."""
        lines = block.split(CRLF)
        known = [self._lines.get(line) or self._read(line) for line in lines]
        raw = [read[1] for read in known]
        special = [(number, read[0]) for number, read in enumerate(known) if read[0]]
        deciding = []
        ids = []
        length = 0
        for number, kind in special:
            if kind == _DECIDING:
                deciding.append(number)
            elif kind == _NAMED:
                ids.append(raw[number])
            elif kind == _LENGTH and not length:
                length = int(raw[number][1])
            else:
                return None
        key = CRLF.join([lines[number] for number in deciding])
        shape = self._shapes.get((sender, scheme, key))
        if shape is None:
            return None
        fields = raw.copy()
        passed = [read[2] for read in known]
        stay = [deciding[number] for number in shape.stay]
        for number, kind in reversed(special):
            if kind == _LENGTH or (kind == _DECIDING and number not in stay):
                del fields[number], passed[number]
        fields += shape.fields
        passed.append(shape.lines)
        read = _Block(raw, fields, b"".join(passed), ids, length, shape)
        if not ids and len(block) <= _LONGEST:  # else it will hardly come again
            size = _PARSED * len(block) + _FIELD * len(raw)
            self._blocks.remember((sender, scheme, block), read, size)
        return read

    def _asked(self, line: bytes) -> _First | None:
        """Method, target and normal path; None where the long way has to look."""
        found = _FIRST.fullmatch(line)
        if found is None:
            return None
        try:
            asked = found[1].decode(), found[2], normal_path(found[2])
        except Malformed:
            return None
        if b"?" not in line:  # a query is seldom asked again
            self._first.remember(line, asked, _PARSED * len(line))
        return asked

    def _read(self, line: bytes) -> _Line:
        """A line that is not known, or no more."""
        found = FIELD_LINE.fullmatch(line)
        if found is None:
            return _NOT_OURS
        name, value = found[1], found[2].strip(b" \t")
        kind = _kinds[name]
        if kind == _WEIGHED:
            kind = _weigh(name.lower(), value)
        if kind == _ODD:
            return _NOT_OURS
        read = (kind, (name, value), LINE % (name, value))
        if kind != _NAMED and len(line) <= _LONGEST:  # a name is seldom given again
            self._lines.remember(line, read, _PARSED * len(line))
        return read


def _kind(name: bytes) -> int:
    """What a field is by its name alone."""
    low = name.lower()
    if low in ID_FIELDS:
        return _NAMED
    if low in _BY_VALUE:
        return _WEIGHED
    if low == b"host":
        return _DECIDING
    if low in DECISIVE:
        return _ODD
    if low in OF_PROXIES or about_the_client(name) is not None or names_client_cert(name):
        return _DECIDING
    return _PLAIN


def _weigh(low: bytes, value: bytes) -> int:
    """What a field is whose value has a say in that."""
    if low == b"content-length":
        return _LENGTH if content_length(value) else _ODD
    if low == b"connection":
        return _DECIDING if value.lower() in (b"keep-alive", b"") else _ODD
    return _ODD if names_login(low, value) else _PLAIN


_kinds: Final = Memo(_kind, _LINES)
