"""Files of the SQLite store, whole and damaged."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from proxy.store.database import Database, Row
from proxy.store.parts import PIECE
from proxy.store.sqlite import SqliteStore
from tests.support.stored import put

BODY = b"x" * 4000
LONG = b"".join(bytes([number + 65]) * PIECE for number in range(3)) + b"end"


async def fill(path: Path) -> None:
    """Store thirty short bodies and a long one."""
    store = SqliteStore(path, 64 << 20, 0)
    for each in range(30):
        put(store, b"%d" % each, BODY)
    put(store, b"long", LONG, labels=[b"red"])
    await store.close()


def add(database: Database, number: int, size: int, *, max_size: int = 0) -> None:
    """Store a body of zeros under a key of its own."""
    row = Row(number, b"", size, kept=False, body=bytes(size))
    database.add(b"%d" % number, row, [], [], max_size=max_size)


def set_aside(folder: Path) -> list[Path]:
    """The files that were."""
    return list(folder.glob("store.db.unusable-*[0-9]"))


def told_by(statement: str) -> Callable[[Path], None]:
    """Damage that SQLite does not notice."""

    def damage(path: Path) -> None:
        connection = sqlite3.connect(path)
        connection.executescript(statement)
        connection.commit()
        connection.close()

    return damage
