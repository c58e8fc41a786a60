"""Usual heads of replies, read fast: a line that came before is one look-up.

What is not strictly RFC 9112, and all that decides on the connection or the framing beyond one
Content-Length, is left to ``reply_head``, which reads every head;
``tests/upstream/http1/test_fast_reply_head.py`` holds that aiohttp's parser would read the same.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from proxy.http.bounded_cache import Memo
from proxy.http.fields import FIELD_LINE, LINE, Encoded, RawHeaders, encode
from proxy.http.framing import BODILESS, CRLF, HEAD_END, content_length
from proxy.http.logins import OF_LOGINS, names_login

FieldFilter: TypeAlias = Callable[[RawHeaders], RawHeaders]

HEAD_LIMIT: Final = 64 << 10
"""Bytes of reply heads, informational ones included; Envoy reads 60 KiB, nginx 4 to 8."""

_STATUS: Final = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9]) ((?:[!-~](?:[ -~]*[!-~])?)?)")
_DOUBTFUL: Final = frozenset({b"transfer-encoding", b"upgrade", b"proxy-connection"})
_WEIGHED: Final = _DOUBTFUL | {b"connection", b"content-length"}
_LINES: Final = 2048
_STATUSES: Final = 256

_PASSED, _DROPPED, _MEASURED, _LEFT = range(4)
_Line: TypeAlias = tuple[int, tuple[bytes, bytes], bytes, int]
"""What is done with it; the field; its line, break included; the number it gives."""
_NOT_OURS: Final[_Line] = (_LEFT, (b"", b""), b"", 0)


class FastHead(NamedTuple):
    """A final head whose body is delimited by its length."""

    code: int
    reason: bytes
    fields: RawHeaders
    encoded: Encoded
    length: int
    """Bytes of the body."""
    size: int
    """Bytes of the head, its empty line included."""


class FastHeadParser:
    """Reads the heads of one upstream's replies."""

    __slots__ = ("_filter", "_last_head", "_last_text", "_lines", "_names", "_statuses")

    def __init__(self, field_filter: FieldFilter) -> None:
        """``field_filter``: keeps of a reply's fields what goes further than this connection."""
        self._filter = field_filter
        self._lines = Memo(self._line, _LINES)
        self._names = Memo(self._name, _LINES)
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
        first, *rest = text.split(CRLF)
        code, reason = self._statuses[first]
        if not code:
            return None
        length = -1
        fields = []
        passed = []
        known = self._lines
        for line in rest:
            kind, field, encoded, number = known[line]
            if kind == _PASSED:
                fields.append(field)
                passed.append(encoded)
            elif kind == _MEASURED and length < 0:
                length = number
            elif kind != _DROPPED:
                return None
        if length < 0:
            return None
        size = len(text) + len(HEAD_END)
        return FastHead(code, reason, fields, Encoded(fields, b"".join(passed)), length, size)

    def _line(self, line: bytes) -> _Line:
        found = FIELD_LINE.fullmatch(line)
        if found is None:
            return _NOT_OURS
        name, value = found[1], found[2].strip(b" \t")
        if told := self._names[name]:
            return (_PASSED, (told, value), LINE % (told, value), 0)
        low = name.lower()
        if low in _DOUBTFUL or (low == b"connection" and value.lower() != b"keep-alive"):
            return _NOT_OURS
        if names_login(low, value):
            return _NOT_OURS
        field = (name, value)
        if low == b"content-length":
            length = content_length(value)
            return _NOT_OURS if length is None else (_MEASURED, field, b"", length)
        kept = self._filter((field,))
        if not kept:
            return (_DROPPED, field, b"", 0)
        return (_PASSED, kept[0], encode(kept, None), 0)

    def _name(self, name: bytes) -> bytes:
        """What a field is called on its way to the client; empty where its value has a say."""
        low = name.lower()
        if low in _WEIGHED or low in OF_LOGINS:
            return b""
        kept = self._filter(((name, b""),))
        return kept[0][0] if kept else b""


def _status(line: bytes) -> tuple[int, bytes]:
    found = _STATUS.fullmatch(line)
    if found is None or (code := int(found[1])) in BODILESS:
        return 0, b""
    return code, found[2]
