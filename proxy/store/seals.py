"""Checksums, by which bytes in a file are known for those that were written.

SQLite notices damage of its own structure. Of what the tables hold it notices nothing: a bit that
has changed in a body would be served.
"""

import sqlite3
from typing import Final
from zlib import crc32

_SIZE: Final = 4


def sealed(data: bytes) -> bytes:
    """With its checksum before it."""
    return crc32(data).to_bytes(_SIZE, "big") + data


def unsealed(stored: object) -> bytes:
    """What was sealed. Raises DatabaseError where that is not what was read."""
    if type(stored) is bytes and len(stored) >= _SIZE:
        data = stored[_SIZE:]
        if crc32(data).to_bytes(_SIZE, "big") == stored[:_SIZE]:
            return data
    raise sqlite3.DatabaseError("what it holds is not what was written")


def as_number(stored: object) -> int:
    """A number that is not negative. Raises DatabaseError where that is not what was read."""
    if type(stored) is int and stored >= 0:
        return stored
    raise sqlite3.DatabaseError("it holds something else where a number was written")
