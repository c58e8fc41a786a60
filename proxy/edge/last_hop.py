"""Max-Forwards on OPTIONS and TRACE: counted down, and answered here at zero (RFC 9110 7.6.2)."""

import re
from typing import Final

from proxy.core.errors import BadRequest
from proxy.core.exchange import Exchange
from proxy.core.reply import NoMoreBytes, Reply
from proxy.http.fields import RawHeaders, encode, replaced
from proxy.http.framing import CRLF
from proxy.http.grammar import shown

COUNTED: Final = frozenset({"OPTIONS", "TRACE"})
"""For every other method the field means nothing."""

_NUMBER: Final = re.compile(rb"[0-9]{1,9}")
_LARGEST: Final = 999_999_999
_DIGITS: Final = re.compile(rb"[0-9]+")
_SECRET: Final = re.compile(rb"(?i)auth|cookie|token|secret|key|session|password")
"""Names of fields that TRACE shows to nobody (RFC 9110 9.3.8)."""


def count_down(raw: RawHeaders, value: bytes) -> RawHeaders | None:
    """The fields with one hop less to go; None where there is none left. Raises BadRequest."""
    if not _DIGITS.fullmatch(value):  # also where it came twice
        raise BadRequest(f"Max-Forwards {shown(value)!r} is not one number")
    left = int(value) if _NUMBER.fullmatch(value) else _LARGEST
    if left == 0:
        return None
    return replaced(raw, b"max-forwards", b"%d" % (left - 1))


def reply_here(exchange: Exchange, raw: RawHeaders, allow: tuple[str, ...]) -> Reply:
    """What the last recipient says: the methods, or the request itself for TRACE.

    ``raw``: the fields as the client sent them.
    """
    if exchange.method == "OPTIONS":
        fields = [(b"Allow", ", ".join(allow).encode())]
        return Reply(200, fields, NoMoreBytes(), reason=b"OK", length=0, whole=b"")
    shown = encode([field for field in raw if not _SECRET.search(field[0])], None)
    line = b"TRACE %b HTTP/%d.%d\r\n" % (exchange.raw_target, *exchange.version)
    echo = line + shown + CRLF
    fields = [(b"Content-Type", b"message/http")]
    return Reply(200, fields, NoMoreBytes(), reason=b"OK", length=len(echo), whole=echo)
