"""A file of SQLite that is damaged: what it holds is a miss or whole, and it is used again."""

import asyncio
import random
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from proxy.core.stored import StoreFailed
from proxy.store import file as file_module
from proxy.store.parts import PIECE
from proxy.store.sqlite import SqliteStore
from tests.support.stored import body_of, meta, put

BODY = b"x" * 4000
LONG = b"".join(bytes([number + 65]) * PIECE for number in range(3)) + b"end"
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


def set_aside(folder: Path) -> list[Path]:
    """The files that were."""
    return list(folder.glob("store.db.unusable-*[0-9]"))


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
        connection.executescript(statement)
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
    "statement",
    [
        "UPDATE sqlite_sequence SET seq = 'abc'",
        "UPDATE changes SET number = -number",
        "UPDATE leases SET token = 5",
        "UPDATE leases SET until = 'late'",
    ],
)
async def test_what_processes_have_agreed_on(statement: str, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path, 64 << 20, 0)
    put(store, b"k", BODY)
    await store.delete(b"k")
    await store.claims.take(b"k")
    await store.close()
    told_by(statement)(path)
    store = SqliteStore(path, 64 << 20, 0)
    await store.claims.take(b"k")
    await store.delete(b"k")
    await store.close()
    await is_used_again(path)


@pytest.mark.parametrize("statement", ["cost = 9223372036854775807", "body = CAST(x'ff' AS TEXT)"])
async def test_what_cannot_be_removed_goes_with_the_file(
    statement: str, good: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(good)
    told_by(f"UPDATE entries SET {statement}")(path)
    store = SqliteStore(path, 64 << 20, 0)
    await store._file.change(lambda db: db.clear())
    await store.purge(b"red")
    await store.get(b"1")
    await store.delete(b"1")
    await store._file.change(lambda _: None)
    assert len(set_aside(tmp_path)) <= 1
    assert not await store.get(b"1")
    put(store, b"new", b"z")
    assert [await body_of(found) for found in await store.get(b"new")] == [b"z"]
    await store.close()


async def test_a_file_that_may_not_be_written_for_a_while_is_not_damaged(
    good: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection is opened anew: it would stay one that only reads."""
    now = 1000.0
    monkeypatch.setattr(file_module, "monotonic", lambda: now)
    path = tmp_path / "store.db"
    path.write_bytes(good)
    store = SqliteStore(path, 64 << 20, 0)

    def refused(_: object) -> bool:
        error = sqlite3.OperationalError("attempt to write a readonly database")
        error.sqlite_errorcode = sqlite3.SQLITE_READONLY
        raise error

    assert await store._file.change(refused) is None
    assert store._file.writing is None
    now += file_module.REST
    put(store, b"new", b"z")
    assert await store.get(b"new")
    assert await store.get(b"1")
    assert set_aside(tmp_path) == []
    await store.close()


async def test_other_processes_notice_that_a_file_was_set_aside(
    good: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(good)
    one, other = SqliteStore(path, 64 << 20, 0), SqliteStore(path, 64 << 20, 0)
    for store in (one, other):
        put(store, b"mine", b"1")
        assert await store.get(b"1")
    told_by("UPDATE chunks SET data = x'00'")(path)
    [long] = await one.get(b"long")
    with pytest.raises(StoreFailed):
        await long.read(0)
    await one._file.change(lambda _: None)
    assert len(set_aside(tmp_path)) == 1
    assert not await other.get(b"1"), "what one removes now, the other would not see"
    put(other, b"new", b"z")
    assert await other.get(b"new")
    assert await one.get(b"new")
    await one.close()
    await other.close()


def renamed(path: Path) -> None:
    """What another process does with a file that it has found damaged."""
    file_module.set_aside(path, 1.0)


async def test_what_was_invalidated_in_the_file_before_is_not_stored_in_the_new_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    one, other = SqliteStore(path, 64 << 20, 0), SqliteStore(path, 64 << 20, 0)
    claims = [await one.claims.take(b"lease%d" % number) for number in range(2)]
    await other.delete(b"k0")
    renamed(path)
    await other.delete(b"k1")
    for number, claim in enumerate(claims):
        writer = one.put(b"k%d" % number, meta(), claim)
        writer.write(b"old")
        writer.commit()
    for number in range(2):
        assert not await one.get(b"k%d" % number)
        assert not await other.get(b"k%d" % number)
    await one.close()
    await other.close()


@pytest.mark.parametrize("before", [1, 2, 3])
async def test_an_entry_whose_parts_are_in_the_file_before_is_none(
    before: int, tmp_path: Path
) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path, 64 << 20, 0)
    writer = store.put(b"k", meta())
    for number in range(4):
        assert writer.write(b"x" * PIECE)
        if number == before:
            await store._file.change(lambda _: None)
            renamed(path)
    writer.commit()
    assert not await store.get(b"k")
    put(store, b"k", LONG)
    assert [await body_of(found) for found in await store.get(b"k")] == [LONG]
    await store.close()


async def test_files_are_not_set_aside_one_after_another(
    good: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a disk that gives other bytes each time, or two versions of the proxy on one file."""
    now = 1000.0
    monkeypatch.setattr(file_module, "monotonic", lambda: now)
    path = tmp_path / "store.db"
    path.write_bytes(good)
    store = SqliteStore(path, 64 << 20, 0)

    def damaged(_: object) -> bool:
        raise sqlite3.DatabaseError("database disk image is malformed")

    for expected in (1, 2):
        for _ in range(20):
            assert await store._file.change(damaged) is None
        assert len(set_aside(tmp_path)) == expected
        now += file_module.REST
    put(store, b"k", b"z")
    assert await store.get(b"k")
    await store.close()
