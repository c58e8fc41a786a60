"""Checksums, by which stored bytes are known for those that were written, and in their place.

SQLite notices damage of its own structure. Of what the tables hold it notices nothing: a bit that
has changed in a body would be served, and so would one in the number of a part. Redis notices
nothing at all, and a body that is not as long as its head says would be another client's reply.
"""

import sqlite3
from typing import Final
from zlib import crc32

_SIZE: Final = 4


def sealed(data: bytes, *place: bytes | int) -> bytes:
    """With its checksum before it, which is of ``place`` too: what stands beside it."""
    return _checksum(data, place) + data


def intact(stored: object, *place: bytes | int) -> bytes | None:
    """What was sealed for this place; None where that is not what was read."""
    if type(stored) is bytes and len(stored) >= _SIZE:
        data = stored[_SIZE:]
        if _checksum(data, place) == stored[:_SIZE]:
            return data
    return None


def unsealed(stored: object, *place: bytes | int) -> bytes:
    """The same. Raises DatabaseError where that is not what was read."""
    data = intact(stored, *place)
    if data is None:
        raise sqlite3.DatabaseError("what it holds is not what was written")
    return data


def _checksum(data: bytes, place: tuple[bytes | int, ...]) -> bytes:
    return crc32(data, crc32(repr(place).encode())).to_bytes(_SIZE, "big")


def as_number(stored: object) -> int:
    """A number that is not negative. Raises DatabaseError where that is not what was read."""
    if type(stored) is int and stored >= 0:
        return stored
    raise sqlite3.DatabaseError("it holds something else where a number was written")
