"""The head of a request: what it says, and whether all readers would agree on that.

RFC 9112 without the leniencies that it only allows: what comes in here goes out again, and the
next reader may be lenient in another way. Nothing is repaired.
"""

import re
from typing import Final, NamedTuple

from proxy.core.errors import BadRequest, HeadTooLarge, ProxyError, TargetTooLong, UnsupportedCoding
from proxy.http.bounded_cache import Memo
from proxy.http.client_cert import names_client_cert
from proxy.http.fields import FORBIDDEN, RawHeaders, check_lines, read_fields
from proxy.http.framing import CHUNKED, content_length, keeps_alive
from proxy.http.grammar import TCHAR, Malformed, members, shown
from proxy.http.hop_by_hop import FRAMING
from proxy.http.logins import names_login

_LONGEST_METHOD: Final = 32
_LINE: Final = re.compile(rb"([%b]{1,32}) ([^\x00-\x20\x7f]++) HTTP/1\.([0-9])\r\n" % TCHAR)
_LINE_BEGINS: Final = re.compile(rb"[%b]{1,32}(?:\Z| )" % TCHAR)
_BREAKS: Final = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")

LOOKALIKES: Final = frozenset({b"content_length", b"transfer_encoding"})
_SINGLE: Final = FRAMING
_PROXY: Final = b"proxy-authorization"
LOGINS: Final = frozenset({b"authorization", _PROXY})
PROXY_CREDENTIALS: Final = b"proxy credentials"
"""The name of Proxy-Authorization among the decisive fields where it is no login."""
DECISIVE: Final = (
    _SINGLE
    | LOOKALIKES
    | LOGINS
    | {b"upgrade", b"expect", b"connection", b"max-forwards", b"te", b"trailer"}
)
CERTIFICATE: Final = b"certificate"
"""The name among the decisive fields of all that say which certificate a client has."""


def _as_decisive(name: bytes) -> bytes:
    low = name.lower()
    if low in DECISIVE:
        return low
    return CERTIFICATE if names_client_cert(name) else b""


_decisive: Final[Memo[bytes]] = Memo(_as_decisive, 4096)


class Fault(NamedTuple):
    """An error that is yet to be raised: one that was raised would keep what it went through."""

    kind: type[ProxyError]
    detail: str

    def error(self) -> ProxyError:
        """A new one."""
        return self.kind(self.detail)


class RequestHead(NamedTuple):
    """A whole head. Where ``fault`` is not None, what follows it on the connection is not read."""

    method: str
    target: bytes
    """As it came."""
    version: tuple[int, int]
    """1.0, or 1.1 for every other minor version (RFC 9110 2.5)."""
    fields: RawHeaders = ()
    decisive: dict[bytes, bytes] = {}  # noqa: RUF012 - never changed
    """Values of the fields that decide on framing, connection and identity, by their lower-case
    name."""
    length: int = 0
    """Bytes of the body, or CHUNKED."""
    keep_alive: bool = False
    """Whether the client takes another reply on this connection (RFC 9112 9.3)."""
    fault: Fault | None = None


def read_head(head: bytes) -> RequestHead:
    """A head from its first byte to the empty line.

    Raises BadRequest where not even its first line can be read; ``fault`` says what is wrong
    with the rest.
    """
    line = _LINE.match(head)
    if line is None:
        raise BadRequest(_no_line(head))
    method, target = line[1].decode("ascii"), line[2]
    version = (1, 0) if line[3] == b"0" else (1, 1)
    fields: RawHeaders = ()
    try:
        fields = tuple(read_fields(head[line.end() : -2]))
        decisive = _decide(fields)
        length = _length(decisive, version)
    except Malformed as error:
        return RequestHead(method, target, version, fields, fault=Fault(BadRequest, str(error)))
    except ProxyError as error:
        fault = Fault(type(error), error.detail)
        return RequestHead(method, target, version, fields, fault=fault)
    keep_alive = _keeps(decisive.get(b"connection"), version)
    return RequestHead(method, target, version, fields, decisive, length, keep_alive)


def _no_line(head: bytes | bytearray) -> str:
    """Only how it begins: what follows may be a query, or no HTTP at all."""
    return f"no request line of HTTP/1, it begins with {bytes(head[:8])!r}"


def _decide(fields: RawHeaders) -> dict[bytes, bytes]:
    decisive: dict[bytes, bytes] = {}
    for name, value in fields:
        if low := _decisive[name]:
            if low in LOGINS and not names_login(low, value):
                if low != _PROXY:
                    continue
                low = PROXY_CREDENTIALS
            if low in LOOKALIKES or (low in decisive and low in _SINGLE):
                why = "is a disguise of another" if low in LOOKALIKES else "was sent more than once"
                raise BadRequest(f"field {name!r} {why}")
            decisive[low] = b"%b, %b" % (decisive[low], value) if low in decisive else value
    return decisive


def _length(decisive: dict[bytes, bytes], version: tuple[int, int]) -> int:
    """What ends the body (RFC 9112 6.3)."""
    coding = decisive.get(b"transfer-encoding")
    declared = decisive.get(b"content-length")
    if coding is None:
        if declared is None:
            return 0
        if (length := content_length(declared)) is None:
            what = "2^63 bytes or more" if declared.isdigit() else "not one number"
            raise BadRequest(f"Content-Length {shown(declared)!r} is {what}")
        return length
    if version < (1, 1):  # RFC 9112 6.1
        raise BadRequest("Transfer-Encoding was sent in HTTP/1.0, which does not have it")
    if declared is not None:
        raise BadRequest("Transfer-Encoding and Content-Length were both sent")
    if coding.lower() != b"chunked":
        codings = members(coding.lower())
        # Chunked in front of another coding, or twice: nobody knows where such a body ends.
        if b"chunked" in codings[:-1] or set(codings) <= {b"chunked"}:
            why = "does not say where the body ends"
            raise BadRequest(f"transfer coding {shown(coding)!r} {why}")
        raise UnsupportedCoding(f"transfer coding {shown(coding)!r} is not supported")
    return CHUNKED


def _keeps(connection: bytes | None, version: tuple[int, int]) -> bool:
    if connection is None:
        return version >= (1, 1)
    return keeps_alive(members(connection.lower()), version)


class HeadLimits:
    """Looks at a head while it is still coming, so that what can never be right is refused at once.

    Each byte is looked at a fixed number of times, however small the pieces are.
    """

    __slots__ = ("_limit", "_lines", "_seen")

    def __init__(self, limit: int) -> None:
        """``limit``: bytes that the whole head may have."""
        self._limit = limit
        self._seen = 0
        self._lines = 0

    @property
    def seen(self) -> int:
        """Bytes that were looked at before: no head ended in them."""
        return self._seen

    def clear(self) -> None:
        """Another head begins."""
        self._seen = self._lines = 0

    def whole(self, size: int, head: bytearray) -> None:
        """A head of ``size`` bytes has come. Raises TargetTooLong or HeadTooLarge."""
        if size > self._limit:
            self._too_large(head)

    def look(self, head: bytearray) -> None:
        """``head`` has grown, and is not whole. Raises BadRequest, TargetTooLong, HeadTooLarge."""
        seen = self._seen
        if seen <= _LONGEST_METHOD and not _LINE_BEGINS.match(head[: _LONGEST_METHOD + 1]):
            raise BadRequest(_no_line(head))
        if FORBIDDEN.search(head, seen) or _BREAKS.search(head, max(0, seen - 1)):
            raise BadRequest("a control character, or a line break that is not CRLF, in the head")
        self._seen = len(head)
        if (end := head.rfind(b"\n", max(seen, self._lines)) + 1) > self._lines:
            start = self._lines
            if not start:
                line = _LINE.match(head)
                if line is None:
                    raise BadRequest(_no_line(head))
                start = line.end()
            try:
                check_lines(head, start, end)
            except Malformed as error:
                raise BadRequest(str(error)) from None
            self._lines = end
        if len(head) > self._limit:
            self._too_large(head)

    def _too_large(self, head: bytearray) -> None:
        end = head.find(b"\n", 0, self._limit)
        if end < 0:
            raise TargetTooLong(f"the request line is longer than max_header_size of {self._limit}")
        raise HeadTooLarge(f"the head is larger than max_header_size of {self._limit}")
