"""Requests that offer another protocol (RFC 9110 7.8)."""

from typing import Final

from proxy.http.fields import RawHeaders

_NO: Final = frozenset({b"h2c", b""})
"""HTTP/2 over cleartext is between two hops, and obsolete (RFC 9113 3.1)."""


def offered(fields: RawHeaders) -> bytes:
    """The protocols that a request wants to go over to; empty for none."""
    names: list[bytes] = []
    asked = False
    for name, value in fields:
        low = name.lower()
        if low == b"upgrade":
            names += [each.strip(b" \t") for each in value.split(b",")]
        elif low == b"connection":
            asked |= b"upgrade" in [each.strip(b" \t") for each in value.lower().split(b",")]
    return b", ".join([name for name in names if name.lower() not in _NO]) if asked else b""
