"""Header fields, and the bytes that say the same."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

RawHeaders: TypeAlias = Sequence[tuple[bytes, bytes]]


class Encoded(NamedTuple):
    """The lines of ``fields``, line breaks included.

    Whoever changes fields makes new ones; bytes count only for the very object they were made of.
    """

    fields: RawHeaders
    lines: bytes


def encode(fields: RawHeaders, known: Encoded | None) -> bytes:
    """The lines of ``fields``; those that are ``known``, where that is what they belong to."""
    if known is not None and known.fields is fields:
        return known.lines
    return b"".join([b"%b: %b\r\n" % field for field in fields])
