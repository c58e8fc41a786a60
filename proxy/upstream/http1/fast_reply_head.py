"""Usual heads of replies, read fast: a line that came before is one look-up.

The heads of one upstream mostly differ in the same few lines; then only those are read, and what is
known of the others is used again (``http/head_template``).

What is not strictly RFC 9112, and all that decides on the connection or the framing beyond one
Content-Length, is left to ``reply_head``, which reads every head;
``tests/upstream/http1/test_fast_reply_head.py`` holds that aiohttp's parser would read the same.
"""

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple, TypeAlias

import msgspec

from proxy.http.bounded_cache import Memo
from proxy.http.fields import FIELD_LINE, LINE, Encoded, Fields, RawHeaders, encode
from proxy.http.framing import BODILESS, CRLF, HEAD_END, content_length
from proxy.http.head_template import HeadTemplate, Line, TemplateFields
from proxy.http.keep_alive import announced
from proxy.http.logins import OF_LOGINS, names_login
from proxy.http.upstream_request_id import AN_ID
from proxy.policy.idle_limit import usable

FieldFilter: TypeAlias = Callable[[RawHeaders], RawHeaders]

HEAD_LIMIT: Final = 64 << 10
"""Bytes of reply heads, informational ones included; Envoy reads 60 KiB, nginx 4 to 8."""

_STATUS: Final = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9]) ((?:[!-~](?:[ -~]*[!-~])?)?)")
_DOUBTFUL: Final = frozenset({b"transfer-encoding", b"upgrade", b"proxy-connection"})
_WEIGHED: Final = _DOUBTFUL | {b"connection", b"content-length"}
_LINES: Final = 2048
_STATUSES: Final = 256
_RECENT: Final = 4
"""Kinds of heads that are kept."""

_PASSED, _DATED, _NAMED, _DROPPED, _MEASURED, _IDLE, _LEFT = range(7)
"""What a line is: passed on, Date and what may name the request among it; the connection's own; the
length; what is said of idle connections; what is left to ``reply_head``."""
_NOT_OURS: Final[Line] = (_LEFT, (b"", b""), b"")


class FastHead(msgspec.Struct, frozen=True, gc=False):
    """A final head whose body is delimited by its length."""

    code: int
    reason: bytes
    fields: RawHeaders
    encoded: Encoded
    length: int
    """Bytes of the body."""
    size: int
    """Bytes of the head, its empty line included."""
    usable: float
    """As that of a ``ReplyHead``."""


class _KnownHead(NamedTuple):
    """A head that was read."""

    template: HeadTemplate
    kinds: tuple[int, ...]
    """What kind each of its lines is."""
    fields: TemplateFields
    """What goes further."""
    length: int
    """Bytes of the body."""
    usable: float
    dated: bool


class FastHeadParser:
    """Reads the heads of one upstream's replies."""

    __slots__ = (
        "_last_head",
        "_last_text",
        "_line",
        "_lines",
        "_recent",
        "_statuses",
    )

    def __init__(self, field_filter: FieldFilter) -> None:
        """``field_filter``: keeps of a reply's fields what goes further than this connection."""
        names = Memo(partial(_name, field_filter), _LINES)
        self._line: Callable[[bytes], Line] = partial(_line, field_filter, names)
        self._lines = Memo(self._line, _LINES)
        self._recent: list[_KnownHead] = []
        """The newest one of each of the last kinds of heads."""
        self._statuses = Memo(_status, _STATUSES)
        self._last_text = b""
        self._last_head: FastHead | None = None
        """What came last, which a busy API says again and again within a second."""

    def parse(self, data: bytes) -> FastHead | None:
        """The head, where ``data`` holds a whole reply; None where ``reply_head`` has to look."""
        end = data.find(HEAD_END)
        if not 0 < end < HEAD_LIMIT:
            return None
        text = data[:end]
        if text != self._last_text:
            self._last_head = self._read(text)
            self._last_text = text
        head = self._last_head
        if head is None or len(data) < end + len(HEAD_END) + head.length:
            return None
        return head

    def _read(self, text: bytes) -> FastHead | None:
        start = text.find(CRLF) + len(CRLF)
        if start < len(CRLF):
            return None
        code, reason = self._statuses[text[: start - len(CRLF)]]
        if not code:
            return None
        text += CRLF
        for known in self._recent:
            differing = known.template.differing(text, start, len(text))
            if differing is not None:
                break
        else:
            lines = text[start:].split(CRLF)[:-1]
            learnt = self._by_line(lines)
            if learnt is None:
                return None
            known = learnt
            differing = [lines[number] for number in known.template.varying]
        template, kinds, further, length, idle, dated = known
        read = []
        ids: Fields = []
        for number, line in zip(template.varying, differing, strict=True):
            # What differs each time is not kept: it would push out what does not.
            each = self._lines.get(line) or self._line(line)
            kind = each[0]
            if kind != kinds[number]:
                return None
            if kind == _NAMED:
                ids = [*ids, each[1]]
            elif kind == _MEASURED:
                length = int(each[1][1])
            elif kind == _IDLE:
                idle = usable(announced(each[1][1]))
            read.append(each)
        fields, passed = further.with_lines(read)
        encoded = Encoded(fields, b"".join(passed), dated, ids, alike=further)
        return FastHead(code, reason, fields, encoded, length, len(text) + len(CRLF), idle)

    def _by_line(self, lines: list[bytes]) -> _KnownHead | None:
        """Read the lines behind the first one; None where ``reply_head`` has to look."""
        read = [self._lines[line] for line in lines]
        kinds = tuple([line[0] for line in read])
        if _LEFT in kinds or kinds.count(_MEASURED) != 1 or kinds.count(_IDLE) > 1:
            return None
        recent = self._recent
        before = next((known for known in recent if known.kinds == kinds), None)
        if before is None:
            # What names the request is found in its order, and differs each time anyway.
            template = HeadTemplate(lines, [n for n, kind in enumerate(kinds) if kind == _NAMED])
        else:
            recent.remove(before)
            template = before.template.widened(lines)
        varying = template.varying
        fields = TemplateFields(read, [kind < _DROPPED for kind in kinds], varying, [], b"")
        length = int(read[kinds.index(_MEASURED)][1][1])
        idle = usable(announced(read[kinds.index(_IDLE)][1][1])) if _IDLE in kinds else math.inf
        known = _KnownHead(template, kinds, fields, length, idle, _DATED in kinds)
        self._recent = [known, *recent[: _RECENT - 1]]
        return known


def _status(line: bytes) -> tuple[int, bytes]:
    found = _STATUS.fullmatch(line)
    if found is None or (code := int(found[1])) in BODILESS:
        return 0, b""
    return code, found[2]


def _line(field_filter: FieldFilter, names: Memo[tuple[int, bytes]], line: bytes) -> Line:
    found = FIELD_LINE.fullmatch(line)
    if found is None:
        return _NOT_OURS
    name, value = found[1], found[2].strip(b" \t")
    kind, told = names[name]
    if told:
        return (kind, (told, value), LINE % (told, value))
    low = name.lower()
    if low in _DOUBTFUL or (low == b"connection" and value.lower() != b"keep-alive"):
        return _NOT_OURS
    if names_login(low, value):
        return _NOT_OURS
    field = (name, value)
    if low == b"content-length":
        return _NOT_OURS if content_length(value) is None else (_MEASURED, field, b"")
    if low == b"keep-alive":
        return (_IDLE, field, b"")
    kept = field_filter((field,))
    return (_PASSED, kept[0], encode(kept, None)) if kept else (_DROPPED, field, b"")


def _name(field_filter: FieldFilter, name: bytes) -> tuple[int, bytes]:
    """What a line of this name is, and what the field is called on its way to the client.

    No name where the value has a say.
    """
    low = name.lower()
    if low in _WEIGHED or low in OF_LOGINS:
        return _LEFT, b""
    kept = field_filter(((name, b""),))
    if not kept:
        return _DROPPED, b""
    told = kept[0][0]
    return _DATED if low == b"date" else _NAMED if AN_ID in told else _PASSED, told
