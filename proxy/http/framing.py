"""Where a message's head and body end, and what follows it (RFC 9112 6, 9.3).

How a chunk is framed stands in ``http/chunked``.
"""

import re
from collections.abc import Sequence
from typing import Final

CRLF: Final = b"\r\n"
HEAD_END: Final = b"\r\n\r\n"
"""The end of the last field line, and the empty line behind it."""

CHUNKED_LINE: Final = b"Transfer-Encoding: chunked\r\n"
LENGTH_LINE: Final = b"Content-Length: %d\r\n"
"""The field lines that delimit a body; the second one wants its bytes."""

# What ends a body (RFC 9112 6.3): so many bytes, or one of these in place of their number.
CHUNKED: Final = -1
"""Chunks end it."""
UNTIL_CLOSE: Final = -2
"""The end of the connection does: only that of a reply."""

BODILESS: Final = frozenset({204, 304})
"""Final statuses whose replies have no body, whatever their fields say (RFC 9112 6.3)."""

_LENGTH: Final = re.compile(rb"0*+([1-9][0-9]{0,18})?")
_LARGEST: Final = (1 << 63) - 1


def has_no_body(method: str, status: int) -> bool:
    """Whether the reply to such a request has no body (RFC 9112 6.3)."""
    return method == "HEAD" or status < 200 or status in BODILESS


def content_length(value: bytes) -> int | None:
    """The bytes that a Content-Length field says; None where it is no number below 2 ** 63."""
    found = _LENGTH.fullmatch(value)
    if not value or found is None or (length := int(found[1] or 0)) > _LARGEST:
        return None
    return length


def keeps_alive(options: Sequence[bytes], version: tuple[int, int]) -> bool:
    """Whether the sender takes another message on this connection (RFC 9112 9.3).

    ``options``: the members of its Connection fields, in lower case.
    """
    return b"close" not in options and (version >= (1, 1) or b"keep-alive" in options)
