"""Requests that offer another protocol (RFC 9110 7.8)."""

import re
from typing import Final

from proxy.core.fields import RawHeaders
from proxy.edge.boundary import HEAD_END

_OFFER: Final = re.compile(rb"\nupgrade[ \t]*:", re.IGNORECASE)
_SEAM: Final = 16
"""Bytes in which a line break, the name and a colon are found."""
_NO: Final = frozenset({b"h2c", b""})
"""HTTP/2 over cleartext is between two hops, and obsolete (RFC 9113 3.1)."""


class Offers:
    """Finds the end of a head that makes an offer, as what follows may not be HTTP."""

    __slots__ = ("_made", "_tail")

    def __init__(self) -> None:
        self._made = False
        self._tail = b"\n"

    def split(self, data: bytes) -> tuple[bytes, bytes] | None:
        """The rest of a head that makes an offer, and what came behind it; None for others.

        ``data`` is of one head, from its first byte on, or from where the last call ended.
        """
        tail = self._tail
        joined = tail + data
        end = joined.find(HEAD_END)
        head = joined if end < 0 else joined[:end]
        made = self._made or _OFFER.search(head) is not None
        if end < 0:
            self._made = made
            self._tail = joined[-_SEAM:]
            return None
        self._made = False
        self._tail = b"\n"
        cut = end + len(HEAD_END) - len(tail)
        return (data[:cut], data[cut:]) if made else None


def offered(fields: RawHeaders) -> bytes:
    """The protocols that a request without a body wants to go over to; empty for none."""
    names: list[bytes] = []
    asked = False
    for name, value in fields:
        low = name.lower()
        if low == b"upgrade":
            names += [each.strip(b" \t") for each in value.split(b",")]
        elif low == b"connection":
            asked |= b"upgrade" in [each.strip(b" \t") for each in value.lower().split(b",")]
    return b", ".join([name for name in names if name.lower() not in _NO]) if asked else b""
