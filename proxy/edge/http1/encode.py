"""What clients see of a reply, as the bytes of HTTP/1.1 (RFC 9112)."""

from typing import Final

from proxy.http.fields import LINE, Encoded, RawHeaders, encode

CLOSE: Final = b"Connection: close\r\n"
KEEP_ALIVE: Final = b"Connection: keep-alive\r\n"
"""Only a client of HTTP/1.0 has to be told (RFC 9112 9.3)."""


def reply_head(
    status: int,
    reason: bytes,
    fields: RawHeaders,
    own: RawHeaders,
    encoded: Encoded | None,
    *,
    framing: bytes,
) -> bytes:
    """A head, the empty line included.

    ``fields`` as they came, their lines where ``encoded`` has them, then our ``own``; ``framing``:
    the lines that say where the body ends and what becomes of the connection.
    """
    lines = (
        encode(fields, None) if encoded is None or encoded.fields is not fields else encoded.lines
    )
    tail = b""
    for field in own:
        tail += LINE % field
    return b"HTTP/1.1 %d %b\r\n%b%b%b\r\n" % (
        status,
        reason,
        lines,
        tail,
        framing,
    )


def informational_head(status: int, reason: bytes, fields: RawHeaders) -> bytes:
    """A head before the answer (RFC 9110 15.2)."""
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, reason, encode(fields, None))


def upgrade_lines(protocol: bytes) -> bytes:
    """The lines of a 101 that say what is spoken behind it (RFC 9110 7.8)."""
    return b"Connection: Upgrade\r\nUpgrade: %b\r\n" % protocol
