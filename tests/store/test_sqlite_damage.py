"""A file of SQLite that is damaged: what it holds is a miss or whole, and it is used again."""

import asyncio
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.core.stored import StoreFailed
from proxy.store.parts import PIECE
from proxy.store.sqlite import SqliteStore
from tests.support.stored import body_of, put

BODY = b"x" * 4000
LONG = b"y" * (3 * PIECE)
SEEDS = 120


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a file consists of in which something is stored."""
    path = tmp_path_factory.mktemp("good") / "store.db"
    asyncio.run(fill(path))
    return path.read_bytes()


async def fill(path: Path) -> None:
    store = SqliteStore(path, 64 << 20, 0)
    for each in range(30):
        put(store, b"%d" % each, BODY)
    put(store, b"long", LONG, labels=[b"red"])
    await store.close()


async def is_used_again(path: Path) -> None:
    """Nothing is found that was not stored, and what is stored after the first looks is found."""
    store = SqliteStore(path, 64 << 20, 0)
    try:
        for each in range(30):
            assert {await body_of(found) for found in await store.get(b"%d" % each)} <= {BODY}
        for found in await store.get(b"long"):
            try:
                assert await body_of(found) == LONG
            except StoreFailed:
                continue
        for turn in range(4):  # what meets the damage is lost with the file
            put(store, b"new%d" % turn, b"z")
            if [await body_of(found) for found in await store.get(b"new%d" % turn)] == [b"z"]:
                return
        raise AssertionError("it is not used")
    finally:
        await store.close()


def changed(data: bytes, seed: int) -> bytes:
    """By some bytes of its head, of its first page, anywhere, or cut."""
    rng, broken = random.Random(seed), bytearray(data)
    kind = seed % 4
    if kind == 0:
        broken[rng.randrange(100)] = rng.randrange(256)
    elif kind == 1:
        for _ in range(rng.randrange(1, 20)):
            broken[rng.randrange(4096)] = rng.randrange(256)
    elif kind == 2:
        at = rng.randrange(len(data))
        broken[at : at + 2000] = rng.randbytes(rng.randrange(1, 2000))
    else:
        del broken[rng.randrange(len(data)) :]
    return bytes(broken)


@pytest.mark.parametrize("part", range(8))
async def test_whatever_is_damaged_it_is_used_again(part: int, good: bytes, tmp_path: Path) -> None:
    for seed in range(part, SEEDS, 8):
        path = tmp_path / str(seed) / "store.db"
        path.parent.mkdir()
        path.write_bytes(changed(good, seed))
        try:
            await is_used_again(path)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error


@pytest.mark.parametrize(
    ("at", "byte"),
    [(18, 3), (44 + 3, 5), (56 + 3, 9), (60 + 3, 77)],
    ids=["only to be read", "format of the schema", "encoding", "version"],
)
async def test_a_byte_of_the_head(at: int, byte: int, good: bytes, tmp_path: Path) -> None:
    """Some of them SQLite takes for a file that may not be written, or for a mistake in a query."""
    broken = bytearray(good)
    broken[at] = byte
    path = tmp_path / "store.db"
    path.write_bytes(broken)
    await is_used_again(path)


def schema_says(word: bytes, instead: bytes) -> Callable[[Path], None]:
    """Damage of the text in which SQLite keeps what the tables are."""

    def damage(path: Path) -> None:
        data = path.read_bytes()
        assert word in data
        path.write_bytes(data.replace(word, instead, 1))

    return damage


def told_by(statement: str) -> Callable[[Path], None]:
    """Damage that SQLite does not notice."""

    def damage(path: Path) -> None:
        connection = sqlite3.connect(path)
        connection.execute(statement)
        connection.commit()
        connection.close()

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        schema_says(b"meta BLOB", b"meto BLOB"),
        schema_says(b"TABLE entries", b"TABLE entrie\xe7"),
        schema_says(b"CREATE TABLE gone", b"CREATE TABLE g\xe7ne"),
        schema_says(b"xxxx", b"xxXx"),
        schema_says(b"yyyy", b"yyYy"),
        told_by("UPDATE entries SET size = 'many'"),
        told_by("UPDATE entries SET size = -1"),
        told_by("UPDATE entries SET size = size + 1"),
        told_by("UPDATE entries SET meta = 5"),
        told_by("UPDATE entries SET meta = x'00'"),
        told_by("UPDATE entries SET id = -id"),
        told_by("UPDATE entries SET body = 'text' WHERE body IS NOT NULL"),
        told_by("UPDATE entries SET body = substr(body, 1, 100) WHERE body IS NOT NULL"),
        told_by("UPDATE chunks SET data = x'010203'"),
        told_by("UPDATE chunks SET data = 5"),
    ],
)
async def test_what_the_tables_hold(
    damage: Callable[[Path], None], good: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(good)
    damage(path)
    await is_used_again(path)
