"""Usual heads of requests, read fast: a line that came before is one look-up.

Of the requests of a client hardly any two have the same bytes: path, query, trace and token differ.
What decides on them are few lines that do not differ, Host above all. The first request with such
lines goes the long way (``request_reader``, ``Intake.admit``), and what that makes of them is kept
as a `Shape`. Later ones with the same deciding lines are put together from the shape and their own
other lines, which no rule looks at.

``request_lines`` says of each line what it is. The kinds of the lines of a head, in their order,
are its layout. Many heads share one, so where the lines stand that count is found out once. The
heads of one client mostly differ in the same few lines; then only those are read, and what is known
of the others is used again (``http/head_template``).

Nothing is accepted here that the long way would not accept, see ``docs/decisions/0007``.
"""

import re
from itertools import compress
from typing import Final, TypeAlias

from aiohttp import web
from aiohttp.streams import EMPTY_PAYLOAD

from proxy.core.body import BytesBody
from proxy.core.clock import monotonic
from proxy.core.exchange import Exchange
from proxy.edge.http1.known_heads import NUMBER, ROOM, KnownHead, KnownHeads, Layout, Shape
from proxy.edge.http1.request_lines import (
    DECIDING,
    LENGTH,
    LONGEST,
    NAMED,
    ODD,
    PARSED,
    RequestLines,
)
from proxy.edge.http1.request_reader import UNLIMITED
from proxy.edge.http1.spool import SMALL
from proxy.edge.options import ServerOptions
from proxy.http.bounded_cache import BoundedCache
from proxy.http.fields import Encoded, Fields, RawHeaders, encode
from proxy.http.framing import CRLF, HEAD_END, LENGTH_LINE
from proxy.http.grammar import Malformed
from proxy.http.head_template import HeadTemplate, Line, TemplateFields
from proxy.http.request_id import EVERY, kept_ids, new_ids
from proxy.http.target import normal_path

_FIRST: Final = re.compile(
    rb"(DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT) (/[!$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]*) HTTP/1\.1"
)
"""Targets of characters that a URI may hold: whatever parsers disagree on takes the long way."""

_QUESTION: Final = ord("?")  # a number is found in bytes eight times as fast as bytes are
_FIELD: Final = 300
"""Bytes that a field takes beside what it says."""
_PLACE: Final = 32
"""Bytes that a line takes in a layout."""

_Key: TypeAlias = tuple[str, str, bytes]  # sender, scheme, lines
_First: TypeAlias = tuple[str, bytes, str]  # method, target, normal path


class FastRequest(web.BaseRequest):
    """A request that was read fast; one serves all of a connection's, one after the other.

    Of what ``BaseRequest`` knows it has what the edge asks for: connection, body and fields.
    """

    protocol: web.RequestHandler = None  # type: ignore[assignment]  # __init__ has it
    """A plain attribute: the property of ``BaseRequest`` is a call each time."""

    def __init__(self, connection: web.RequestHandler) -> None:
        self._protocol = self.protocol = connection
        self._cache = {"content": EMPTY_PAYLOAD}
        self.exchange: Exchange

    def hold(self, exchange: Exchange, raw: RawHeaders) -> "FastRequest":
        """Stand for this request, no more for the one before."""
        self.exchange = exchange
        self._cache["raw_headers"] = raw
        return self


class FastHeadReader:
    """Reads whole requests; one for all connections."""

    __slots__ = (
        "_first",
        "_heads",
        "_layouts",
        "_lines",
        "_max_body",
        "_max_head",
        "_sampled",
        "_shapes",
    )

    def __init__(self, options: ServerOptions) -> None:
        self._heads = KnownHeads()
        self._shapes: BoundedCache[_Key, Shape] = BoundedCache(NUMBER, ROOM)
        self._layouts: BoundedCache[tuple[int, ...], Layout] = BoundedCache(NUMBER, ROOM)
        self._lines = RequestLines()
        self._first: BoundedCache[bytes, _First] = BoundedCache(NUMBER, ROOM)
        self.follow(options)

    def follow(self, options: ServerOptions, sampled: int = EVERY) -> None:
        """Read by these options; what others have made of a request counts no more."""
        self._sampled = sampled
        self._heads.clear()
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
        known = [self._lines[line] for line in lines]
        if len(known) != len(raw) or any(kind == ODD for kind, _, _ in known):
            return
        made = exchange.headers
        deciding: list[bytes] = []
        stay = []
        number = 0
        for line, (kind, _, _), field in zip(lines, known, raw, strict=True):
            passed = number < len(made) and made[number] is field
            number += passed
            if kind == DECIDING:
                if passed:
                    stay.append(len(deciding))
                deciding.append(line)
            elif passed is (kind == LENGTH):
                return
        key = CRLF.join(deciding)
        if len(key) > LONGEST:
            return
        own = tuple(made[number:])
        behind = encode(own, None)
        shape = Shape(exchange.host, exchange.client, exchange.scheme, tuple(stay), own, behind)
        size = 2 * len(key) + PARSED * len(behind) + _FIELD * len(own)
        self._shapes.remember((sender, scheme, key), shape, size)

    def read(self, data: bytes, sender: str, scheme: str) -> tuple[Exchange, RawHeaders] | None:
        """The exchange that ``data`` is the whole request of, and its fields as they came.

        None where the long way has to look.
        """
        end = data.find(HEAD_END)
        if not 0 < end <= self._max_head:
            return None
        start = data.find(CRLF) + 2
        for known in self._heads.recent.get((sender, scheme), ()):
            differing = known.template.differing(data, start, end + 2)
            if differing is not None:
                break
        else:
            lines = data[start:end].split(CRLF)
            learnt = self._by_line(lines, sender, scheme)
            if learnt is None:
                return None
            known = learnt
            differing = [lines[number] for number in known.template.varying]
        template, kinds, raw, further, agent, length, shape = known
        ids: Fields = []
        read: list[Line] = []
        if differing:
            raw = raw.copy()
            for number, kind, text in zip(template.varying, kinds, differing, strict=True):
                line = self._lines[text]
                if line[0] != kind:
                    return None
                read.append(line)
                raw[number] = field = line[1]
                if kind == NAMED:
                    ids.append(field)
                elif kind == LENGTH:
                    length = int(field[1])
        end += 4
        if len(data) != end + length or length > self._max_body:
            return None
        first = data[: start - 2]
        asked = self._first.get(first) or self._asked(first)
        bound = self._sampled
        names = kept_ids(ids, sampled=bound) if ids else new_ids(sampled=bound)
        if asked is None or names is None:
            return None
        if read:
            fields, parts = further.with_lines(read)
            fields += names.fields
            encoded = b"".join([*parts, names.lines])
        else:
            fields, encoded = [*further.fields, *names.fields], further.lines + names.lines
        told = raw[agent][1] if agent >= 0 else b""
        exchange = Exchange(
            asked[0],
            asked[1],
            fields,
            asked[1],
            path=asked[2],
            host=shape.host,
            client=shape.client,
            scheme=shape.scheme,
            request_id=names.request_id,
            started_at=monotonic(),
            encoded=Encoded(fields, encoded, None, (), told, names.trace, further),
        )
        if length:
            exchange.body = BytesBody(data[end:], LENGTH_LINE % length, length)
        return exchange, raw

    def _by_line(self, lines: list[bytes], sender: str, scheme: str) -> KnownHead | None:
        """Read the lines behind the first one; None where the long way has to look."""
        read = [self._lines[line] for line in lines]
        kinds = tuple([line[0] for line in read])
        layout = self._layouts.get(kinds) or self._layout(kinds)
        if layout is None:
            return None
        key = CRLF.join(compress(lines, layout.deciding))
        shape = self._shapes.get((sender, scheme, key))
        if shape is None:
            return None
        alike = (sender, scheme, kinds, key)
        before = self._heads.get(alike)
        if before is None:
            template = HeadTemplate(lines, layout.named)
        else:
            template = before.template.widened(lines)
        if before is not None and template is before.template:
            known = before
        else:
            varying = template.varying
            passed = layout.passed(shape.stay)
            fields = TemplateFields(read, passed, varying, [*shape.fields], shape.lines)
            length = int(read[layout.length][1][1]) if layout.length >= 0 else 0
            raw = [line[1] for line in read]
            differ = [kinds[number] for number in varying]
            known = KnownHead(template, differ, raw, fields, layout.agent, length, shape)
        self._heads.keep(alike, known, PARSED * sum(map(len, lines)) + _FIELD * len(lines))
        return known

    def _layout(self, kinds: tuple[int, ...]) -> Layout | None:
        """None where the long way has to look."""
        if ODD in kinds or kinds.count(LENGTH) > 1:
            return None
        layout = Layout(kinds)
        self._layouts.remember(kinds, layout, _PLACE * len(kinds))
        return layout

    def _asked(self, line: bytes) -> _First | None:
        """Method, target and normal path; None where the long way has to look."""
        found = _FIRST.fullmatch(line)
        if found is None:
            return None
        try:
            asked = found[1].decode(), found[2], normal_path(found[2])
        except Malformed:
            return None
        if _QUESTION not in line:  # a query is seldom asked again
            self._first.remember(line, asked, PARSED * len(line))
        return asked
