"""What stands in a body that is compressed."""

import zlib
from contextlib import suppress
from typing import Final

from proxy.http.codings import codings
from proxy.http.fields import RawHeaders

_WINDOWS: Final = {b"gzip": (31,), b"x-gzip": (31,), b"deflate": (47, -15)}
"""What zlib is told to read them; 47: with a head of zlib, or of gzip; -15: with none, which some
servers send and all clients take."""
_LONGEST: Final = 64 << 20
"""Bytes of what was compressed."""


def decoded(body: bytes, fields: RawHeaders) -> bytes | None:
    """A body with these fields without its coding; None where that cannot be told."""
    found = codings(fields)
    if not found:
        return body
    for window in _WINDOWS.get(found[0], ()) if len(found) == 1 else ():
        with suppress(zlib.error):
            return _inflated(body, window)
    return None


def _inflated(body: bytes, window: int) -> bytes | None:
    """What all members of a body hold (RFC 1952 2.2); None where it is too long.

    Raises zlib.error where the first one is none. What follows the last one is passed over.
    """
    pieces: list[bytes] = []
    left = _LONGEST
    while body:
        member = zlib.decompressobj(window)
        try:
            pieces.append(member.decompress(body, left + 1))
        except zlib.error:
            if not pieces:
                raise
            break
        left -= len(pieces[-1])
        if left < 0:
            return None
        body = member.unused_data
    return b"".join(pieces)
