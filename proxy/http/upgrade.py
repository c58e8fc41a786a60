"""Going over to another protocol on the same connection (RFC 9110 7.8)."""

from typing import Final

from proxy.http.fields import RawHeaders
from proxy.http.grammar import members

SWITCHING: Final = 101
"""The status of a reply after which both sides speak the other protocol."""
_NO: Final = b"h2c"
"""HTTP/2 over cleartext is between two hops, and obsolete (RFC 9113 3.1)."""


def offered(fields: RawHeaders) -> bytes:
    """The protocols that the client offers to go over to; empty for none."""
    names: list[bytes] = []
    asked = False
    for name, value in fields:
        low = name.lower()
        if low == b"upgrade":
            names += members(value)
        elif low == b"connection":
            asked |= b"upgrade" in members(value.lower())
    return b", ".join([name for name in names if name.lower() != _NO]) if asked else b""


def accepted(offer: bytes, answer: bytes) -> bool:
    """Whether all protocols of ``answer`` are among those of ``offer``."""
    chosen = set(members(answer.lower()))
    return bool(chosen) and chosen <= set(members(offer.lower()))
