"""The lines of request heads that came before, and what kind each of them is.

Kinds of lines:

- plain: goes upstream as it came.
- agent: User-Agent, which is plain, and which logs want to know.
- named: X-Request-Id, traceparent, tracestate: goes upstream where it is valid and there is one.
- deciding: Host, and what speaks of the client, of other proxies or for them.
- length: Content-Length, where the whole body came with the head.
- odd: everything else. The request goes the long way.
"""

from typing import Final

from proxy.edge.forwarded import is_of_proxies
from proxy.edge.http1.request_head import DECISIVE
from proxy.http.bounded_cache import BoundedCache, Memo
from proxy.http.client_cert import names_client_cert
from proxy.http.fields import DASHED, FIELD_LINE, LINE
from proxy.http.framing import content_length
from proxy.http.head_template import Line
from proxy.http.hop_by_hop import OF_PROXIES
from proxy.http.logins import names_login
from proxy.http.request_id import ID_FIELDS

PLAIN, AGENT, NAMED, DECIDING, LENGTH, ODD, _WEIGHED = range(7)

PARSED: Final = 4
"""A line is held about so often: as it came, as name and value, and as it goes on."""
LONGEST: Final = 2048
"""Bytes of a line that is kept."""
_LINES: Final = 4096
_ROOM: Final = 2 << 20
"""Bytes of them: clients choose what is kept."""
_BY_VALUE: Final = frozenset({b"authorization", b"connection", b"content-length"})
_NOT_OURS: Final[Line] = (ODD, (b"", b""), b"")


class RequestLines(BoundedCache[bytes, Line]):
    """Says of each line what it is; one that came before is one look-up."""

    def __init__(self) -> None:
        super().__init__(_LINES, _ROOM)

    def __missing__(self, line: bytes) -> Line:
        """A line that is not known, or no more."""
        found = FIELD_LINE.fullmatch(line)
        if found is None:
            return _NOT_OURS
        name, value = found[1], found[2].strip(b" \t")
        kind = _kinds[name]
        if kind == _WEIGHED:
            kind = _weigh(name.lower(), value)
        if kind == ODD:
            return _NOT_OURS
        read = (kind, (name, value), LINE % (name, value))
        if kind != NAMED and len(line) <= LONGEST:  # a name is seldom given again
            self.remember(line, read, PARSED * len(line))
        return read


def _kind(name: bytes) -> int:
    """What a field is by its name alone."""
    low = name.lower()
    if DASHED[name] in ID_FIELDS:
        return NAMED if low in ID_FIELDS else ODD
    if low in _BY_VALUE:
        return _WEIGHED
    if low == b"host":
        return DECIDING
    if low in DECISIVE:
        return ODD
    if low in OF_PROXIES or is_of_proxies(name) or names_client_cert(name):
        return DECIDING
    return AGENT if low == b"user-agent" else PLAIN


def _weigh(low: bytes, value: bytes) -> int:
    """What a field is whose value has a say in that."""
    if low == b"content-length":
        return LENGTH if content_length(value) else ODD
    if low == b"connection":
        return DECIDING if value.lower() in (b"keep-alive", b"") else ODD
    return ODD if names_login(low, value) else PLAIN


_kinds: Final = Memo(_kind, _LINES)
