"""Files of the SQLite store, whole and damaged."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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


async def set_up(store: SqliteStore, pragma: str) -> None:
    """Tell the connection that writes."""

    def change(database: Database) -> None:
        database._db.execute(f"PRAGMA {pragma}")

    await store._file.change(change)


async def stands(store: SqliteStore, name: bytes) -> bytes:
    """The token that the file has, whatever this process knows of it."""
    return await store._file.read(lambda database: database.agreements.holder(name))


async def ended(store: SqliteStore, name: bytes) -> None:
    """Wait until the file has none."""
    async with asyncio.timeout(30):
        while await stands(store, name):
            pass


def failing(
    monkeypatch: pytest.MonkeyPatch, kind: type, name: str, code: int, *, times: int = 1
) -> None:
    """Have a method fail as SQLite does, so many times."""
    usual, left = getattr(kind, name), [None] * times

    def fail(*given: Any, **named: Any) -> object:
        if left:
            left.pop()
            error = sqlite3.OperationalError("it fails")
            error.sqlite_errorcode = code
            raise error
        return usual(*given, **named)

    monkeypatch.setattr(kind, name, fail)
