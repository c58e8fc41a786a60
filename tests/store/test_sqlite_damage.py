"""A file of SQLite that is damaged: what it holds is a miss or whole, and it is used again."""

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from proxy.core.stored import StoreFailed
from proxy.store.parts import PIECE
from proxy.store.sqlite import SqliteStore
from tests.support.sqlite_files import BODY, LONG, set_aside, told_by
from tests.support.stored import body_of, meta, put

SEEDS = 120


async def is_used_again(path: Path, *, long_first: bool = False) -> None:
    """Nothing is found that was not stored, and what is stored after the first looks is found.

    ``long_first``: the body in parts is looked for before the damage of others begins a new file.
    """
    store = SqliteStore(path, 64 << 20, 0)
    try:
        for key in sorted((b"long", *(b"%d" % each for each in range(30))), reverse=long_first):
            wanted = LONG if key == b"long" else BODY
            for found in await store.get(key):
                assert found.size == len(wanted)
                with suppress(StoreFailed):
                    assert await body_of(found) == wanted
                    assert await found.read(PIECE) == wanted[PIECE : 2 * PIECE]
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


@pytest.mark.parametrize(
    "damage",
    [
        schema_says(b"meta BLOB", b"meto BLOB"),
        schema_says(b"TABLE entries", b"TABLE entrie\xe7"),
        schema_says(b"CREATE TABLE gone", b"CREATE TABLE g\xe7ne"),
        schema_says(b"xxxx", b"xxXx"),
        schema_says(b"BBBB", b"BBbB"),
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
        told_by("UPDATE chunks SET number = 9 WHERE number = 1"),
        told_by("UPDATE chunks SET number = number + 100; UPDATE chunks SET number = 101 - number"),
        told_by("UPDATE entries SET size = size - 1 WHERE body IS NULL"),
        told_by("UPDATE entries SET size = 65536 WHERE body IS NULL"),
        told_by("UPDATE entries SET body = CAST(x'ff00fe' AS TEXT) WHERE body IS NOT NULL"),
        told_by("UPDATE entries SET meta = CAST(x'ff00fe' AS TEXT)"),
        told_by("UPDATE chunks SET data = CAST(x'ff00fe' AS TEXT)"),
        told_by("UPDATE entries SET cost = 9223372036854775807"),
        told_by("UPDATE entries SET cost = 'much'"),
    ],
)
@pytest.mark.parametrize("long_first", [False, True])
async def test_what_the_tables_hold(
    damage: Callable[[Path], None], long_first: bool, good: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(good)
    damage(path)
    await is_used_again(path, long_first=long_first)


@pytest.mark.parametrize(
    ("statement", "files"),
    [
        ("UPDATE sqlite_sequence SET seq = 'abc' WHERE name = 'changes'", 1),
        ("UPDATE changes SET number = -number", 1),
        ("INSERT INTO leases VALUES (x'6b', 5, strftime('%s', 'now') + 5.0)", 1),
        ("INSERT INTO leases VALUES (x'6b', x'00', 'late')", 0),  # it ends with the next sweep
    ],
)
async def test_what_processes_have_agreed_on(statement: str, files: int, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path, 64 << 20, 0)
    await store.delete(b"k")
    await store.close()
    told_by(statement)(path)
    store = SqliteStore(path, 64 << 20, 0)
    claim = await store.claims.take(b"k")
    writer = store.put(b"k", meta(), claim)
    assert writer.write(BODY)
    writer.commit()
    await store._file.change(lambda _: None)
    assert len(set_aside(tmp_path)) == files
    await store.close()
    await is_used_again(path)


@pytest.mark.parametrize(
    ("statement", "removal"),
    [
        ("cost = 9223372036854775807", lambda store: store._file.change(lambda db: db.clear())),
        ("cost = 'much'", lambda store: store.delete(b"1")),
        ("cost = -1", lambda store: store.purge(b"red")),
        ("body = CAST(x'ff' AS TEXT)", lambda store: store.get(b"1")),
    ],
)
async def test_what_cannot_be_removed_goes_with_the_file(
    statement: str,
    removal: Callable[[SqliteStore], Awaitable[object]],
    good: bytes,
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(good)
    told_by(f"UPDATE entries SET {statement}")(path)
    store = SqliteStore(path, 64 << 20, 0)
    await removal(store)
    await store._file.change(lambda _: None)
    assert len(set_aside(tmp_path)) == 1
    assert not await store.get(b"1")
    put(store, b"new", b"z")
    assert [await body_of(found) for found in await store.get(b"new")] == [b"z"]
    await store.close()


async def test_an_index_that_leads_to_another_entry(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    one, other = b"1" * 16, b"2" * 16
    store = SqliteStore(path, 64 << 20, 0)
    put(store, one, b"one")
    put(store, other, b"other")
    idents = {key: (await store.get(key))[0].ident for key in (one, other)}
    await store.close()
    data = path.read_bytes()
    cell = one + idents[one]
    assert data.count(cell) == 1
    path.write_bytes(data.replace(cell, one + idents[other]))
    store = SqliteStore(path, 64 << 20, 0)
    assert not await store.get(one)
    await store.close()
    assert set_aside(tmp_path)
