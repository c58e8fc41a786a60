"""Codings of a body, as Content-Encoding names them (RFC 9110 8.4)."""

from typing import Final

from proxy.http.fields import RawHeaders, values

_NOT_CODED: Final = frozenset({b"", b"identity", b"none"})
"""``identity`` means no coding (RFC 9110 12.5.3); applications write ``none`` for the same."""


def applied(value: bytes) -> list[bytes]:
    """The codings that one Content-Encoding names, in lower case, the first applied first."""
    words = [word.strip(b" \t").lower() for word in value.split(b",")]
    return [word for word in words if word not in _NOT_CODED]


def codings(fields: RawHeaders) -> list[bytes]:
    """Those of a body with these fields; empty where it can be read as it is."""
    return [word for value in values(fields, b"content-encoding") for word in applied(value)]
