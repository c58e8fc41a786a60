"""What only the store in a file does."""

import asyncio
import os
import resource
import signal
import sqlite3
import sys
import threading
from pathlib import Path

import pytest

from proxy.core.stored import NOT_KNOWN, StoreFailed
from proxy.store.database import Database
from proxy.store.parts import PIECE
from proxy.store.sqlite import SqliteStore
from tests.support.killed_store import KEYS, body
from tests.support.samples import told
from tests.support.sqlite_files import told_by
from tests.support.stored import body_of, meta, put

TOP = Path(__file__).parents[2]


def opened(path: Path, max_size: int = 64 << 20) -> SqliteStore:
    return SqliteStore(path, max_size, 0)


async def test_it_survives_a_restart(path: Path) -> None:
    first = opened(path)
    put(first, b"k", b"short")
    put(first, b"l", b"x" * PIECE * 3, labels=[b"red"])
    await first.close()
    second = opened(path)
    assert [await body_of(entry) for entry in await second.get(b"k")] == [b"short"]
    [entry] = await second.get(b"l")
    assert await body_of(entry) == b"x" * PIECE * 3
    assert entry.meta == meta(labels=[b"red"])
    assert (await second.purge(b"red")).count == 1
    await second.close()


async def test_two_processes_share_it(path: Path) -> None:
    one, two = opened(path), opened(path)
    put(one, b"k", b"1")
    assert await one.get(b"k")
    [entry] = await two.get(b"k")
    await two.delete(b"k", entry.ident)
    assert not await one.get(b"k")
    await one.close()
    await two.close()


@pytest.mark.parametrize("size", [10, PIECE * 2])
async def test_who_reads_is_not_cut_when_it_is_replaced(path: Path, size: int) -> None:
    store = opened(path)
    put(store, b"k", b"x" * size)
    [entry] = await store.get(b"k")
    writer = store.put(b"k", meta())
    writer.write(b"new")
    writer.commit([entry.ident])
    assert [await body_of(each) for each in await store.get(b"k")] == [b"new"]
    assert await body_of(entry) == b"x" * size
    await store.close()


async def test_its_size_is_bounded_and_what_was_used_again_stays(path: Path) -> None:
    store = opened(path, 256 << 10)
    for number in range(5):
        put(store, b"%d" % number, b"x" * 4096)
        await store.get(b"%d" % number)
    store._note(at_once=True)
    for number in range(100, 200):
        put(store, b"%d" % number, b"x" * 4096)
    found = [bool(await store.get(b"%d" % number)) for number in (199, *range(1, 5), 100)]
    assert found == [True] * 5 + [False]
    assert told(store)["store_bytes"] <= 256 << 10
    assert told(store)["store_evicted"] > 30
    put(store, b"large", b"x" * (300 << 10))
    assert not await store.get(b"large")
    await store.close()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"no database" * 1000),
        lambda path: path.write_bytes(path.read_bytes()[:100] + os.urandom(8000)),
        told_by("PRAGMA user_version = 99"),
    ],
    ids=["text", "noise", "version"],
)
async def test_what_cannot_be_used_is_set_aside(
    path: Path, damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    first = opened(path)
    put(first, b"k", b"old")
    await first.close()
    damage(path)  # type: ignore[operator]
    store = opened(path)
    put(store, b"k", b"new")
    assert [await body_of(entry) for entry in await store.get(b"k")] == [b"new"]
    await store.close()
    assert len(list(path.parent.glob("store.db.unusable-*[0-9]"))) == 1
    assert "cannot be used" in caplog.text


async def test_a_file_that_is_damaged_while_it_is_used(path: Path) -> None:
    store = opened(path)
    for number in range(200):
        put(store, b"%d" % number, b"x" * 4000)
    assert await store.get(b"1")
    await store._file.change(lambda db: db._db.execute("PRAGMA wal_checkpoint(TRUNCATE)"))
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(400_000))
    for number in range(200):  # misses, never an error
        await store.get(b"%d" % number)
    # A write may be what meets the damage first, and is lost with the file; the next one is not.
    put(store, b"lost", b"1")
    await store.get(b"lost")
    await store._file.change(lambda _: None)
    assert len(list(path.parent.glob("store.db.unusable-*[0-9]"))) == 1
    put(store, b"new", b"1")
    assert [await body_of(entry) for entry in await store.get(b"new")] == [b"1"]
    await store.close()


async def test_damage_that_is_found_twice_is_mended_once(path: Path) -> None:
    """By a write, at once; and by a reader that had the old file open and comes late."""
    begun, replaced = threading.Event(), threading.Event()

    def broken(_: object) -> None:
        raise sqlite3.DatabaseError("database disk image is malformed")

    def late(_: object) -> None:
        begun.set()
        replaced.wait()
        broken(_)

    store = opened(path)
    put(store, b"old", b"1")
    assert await store.get(b"old")
    reading = asyncio.create_task(store._file.read(late))
    await asyncio.to_thread(begun.wait)
    await store._file.change(broken)
    replaced.set()
    with pytest.raises(StoreFailed):
        await reading
    await store._file.change(lambda _: None)
    assert len(list(path.parent.glob("store.db.unusable-*[0-9]"))) == 1
    put(store, b"new", b"1")
    assert [await body_of(entry) for entry in await store.get(b"new")] == [b"1"]
    await store.close()


async def test_a_directory_that_cannot_be_written_to_means_misses() -> None:
    store = opened(Path("/proc/self/store.db"))  # not even by root
    put(store, b"k", b"1")
    assert not await store.get(b"k")
    assert (await store.purge(b"red")).count == 0
    assert told(store)["store_failures"] >= 1
    await store.close()


async def test_a_directory_that_is_not_there_means_misses(tmp_path: Path) -> None:
    store = opened(tmp_path / "none" / "store.db")
    put(store, b"k", b"1")
    assert not await store.get(b"k")
    assert told(store)["store_failures"] >= 1
    await store.close()


async def test_a_disk_that_is_full_means_misses(path: Path) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from proxy.store.sqlite import SqliteStore\n"
        "from tests.support.stored import body_of, put\n"
        "async def main():\n"
        "    store = SqliteStore(Path(sys.argv[1]), 0, 0)\n"
        "    for number in range(60):\n"
        "        put(store, b'%d' % number, b'x' * 100_000)\n"
        "        for entry in await store.get(b'%d' % number):\n"
        "            assert await body_of(entry) == b'x' * 100_000\n"
        "    found = [bool(await store.get(b'%d' % n)) for n in range(60)]\n"
        "    print(sum(found), store._file.failures > 0)\n"
        "    await store.close()\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, str(path)),
        stdout=asyncio.subprocess.PIPE,
        cwd=TOP,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)),
    )
    out, _ = await process.communicate()
    stored, failed = out.decode().split()
    assert (process.returncode, failed) == (0, "True")
    assert 0 < int(stored) < 60


async def test_a_look_up_that_takes_too_long_is_a_miss_and_a_line(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = SqliteStore(path, 0, 0.05)
    put(store, b"k", b"1")
    await store._file.change(lambda _: None)  # before it is written there is no file to look into
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()
    blocked = loop.create_future()

    def block(_: Database) -> None:
        loop.call_soon_threadsafe(blocked.set_result, None)
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()

    reading = asyncio.create_task(store._file.read(block))
    await blocked
    for _ in range(2):
        assert await store.get(b"k") is NOT_KNOWN
    assert told(store)["store_timeouts"] == 2
    [line] = caplog.messages
    assert line == f"store {path}: no answer within 50 ms; what cannot be read or stored is a miss"
    gate.set()
    await reading
    await store.close()


async def test_what_a_killed_process_leaves_is_whole(path: Path) -> None:
    for seed in range(8):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.killed_store", str(path), str(seed)),
            stdout=asyncio.subprocess.PIPE,
            cwd=TOP,
        )
        assert process.stdout is not None
        await process.stdout.readline()
        await asyncio.sleep(0.05 * (seed + 1))  # where it is cut does not matter
        process.send_signal(signal.SIGKILL)
        await process.wait()
        store = opened(path)
        for number in range(KEYS):
            key = b"%d" % number
            for entry in await store.get(key):
                size = int(entry.meta.fields[0][1])
                assert entry.size == size
                assert await body_of(entry) == body(key, size)
        await store.close()
    assert not list(path.parent.glob("*unusable*"))


async def test_an_entry_of_another_version_of_the_proxy_is_a_miss(path: Path) -> None:
    store = opened(path)
    for content in (b"1", b"2"):
        put(store, b"k", content)
    [first, _] = await store.get(b"k")
    number = int.from_bytes(first.ident, "big")
    await store._file.change(lambda db: db.touch(number, b"\x91\x01"))
    assert [await body_of(entry) for entry in await store.get(b"k")] == [b"1"]
    await store.close()


async def test_an_entry_that_has_lost_a_part_of_its_body_goes(path: Path) -> None:
    store = opened(path)
    put(store, b"k", b"x" * 200_000)
    [entry] = await store.get(b"k")
    other = sqlite3.connect(path)
    other.execute("DELETE FROM chunks WHERE number = 1")
    other.commit()
    other.close()
    with pytest.raises(StoreFailed):
        await body_of(entry)
    async with asyncio.timeout(30):
        while await store.get(b"k"):
            pass
    await store.close()


async def test_an_entry_that_is_the_same_is_not_made_anew(path: Path) -> None:
    store = opened(path)
    put(store, b"k", b"body")
    [first] = await store.get(b"k")
    [again] = await store.get(b"k")
    assert again is first
    await store.touch(b"k", first.ident, meta(status=203))
    [touched] = await store.get(b"k")
    assert touched.meta.status == 203
    await store.delete(b"k")
    assert not await store.get(b"k")
    await store.close()
