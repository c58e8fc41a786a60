"""Checksums, by which bytes in a file are known for those that were written, and in their place.

SQLite notices damage of its own structure. Of what the tables hold it notices nothing: a bit that
has changed in a body would be served, and so would one in the number of a part.
"""

import sqlite3
from typing import Final
from zlib import crc32

_SIZE: Final = 4


def sealed(data: bytes, *place: int) -> bytes:
    """With its checksum before it, which is of ``place`` too: numbers that stand beside it."""
    return _checksum(data, place) + data


def unsealed(stored: object, *place: int) -> bytes:
    """What was sealed for this place. Raises DatabaseError where that is not what was read."""
    if type(stored) is bytes and len(stored) >= _SIZE:
        data = stored[_SIZE:]
        if _checksum(data, place) == stored[:_SIZE]:
            return data
    raise sqlite3.DatabaseError("what it holds is not what was written")


def _checksum(data: bytes, place: tuple[int, ...]) -> bytes:
    return crc32(data, crc32(repr(place).encode())).to_bytes(_SIZE, "big")


def as_number(stored: object) -> int:
    """A number that is not negative. Raises DatabaseError where that is not what was read."""
    if type(stored) is int and stored >= 0:
        return stored
    raise sqlite3.DatabaseError("it holds something else where a number was written")
