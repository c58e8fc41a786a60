"""What was read of a request's body, kept to be sent again."""

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.edge.http1.spool import Room, Spool


async def everything(spool: Spool) -> bytes:
    found = b""
    while len(found) < spool.size:
        piece = await spool.get(len(found))
        assert piece
        found += piece
    return found


def descriptors() -> set[str]:
    """Temporary files that this process has open."""
    folder = os.path.realpath(tempfile.gettempdir())
    links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    names = [os.readlink(link) for link in links if os.path.lexists(link)]
    return {name for name in names if name.startswith(folder) and name.endswith("(deleted)")}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=200_000), max_size=8), st.integers(0, 300_000))
def test_what_was_put_comes_back_byte_for_byte(pieces: list[bytes], limit: int) -> None:
    async def run() -> None:
        spool = Spool(limit, disk=True, room=Room())
        put = b""
        for piece in pieces:
            await spool.put(piece)
            put += piece
            assert await everything(spool) == put
        assert not spool.lost
        spool.close()

    asyncio.run(run())


async def test_beyond_the_limit_memory_is_given_back_to_a_file_without_a_name() -> None:
    before = descriptors()
    spool = Spool(1000, disk=True, room=Room())
    await spool.put(b"x" * 1000)
    assert descriptors() == before
    await spool.put(b"y")
    assert len(descriptors() - before) == 1
    assert spool._memory is None
    assert await everything(spool) == b"x" * 1000 + b"y"
    spool.close()
    assert descriptors() == before


async def test_without_a_disk_too_much_is_let_go() -> None:
    spool = Spool(10, disk=False, room=Room())
    lost = []
    for size in (10, 1, 1):
        await spool.put(b"x" * size)
        lost.append(spool.lost)
    assert lost == [False, True, True]
    assert spool._memory is None


async def test_a_disk_that_fails_is_no_failure_of_the_request(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    spool = Spool(10, disk=True, room=Room())
    await spool.put(b"x" * 100)
    assert spool.lost
    assert "cannot be kept" in caplog.text


async def test_what_was_put_under_a_cancelled_attempt_is_there_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = descriptors()
    go_on = asyncio.Event()
    loop = asyncio.get_running_loop()
    write: Any = Spool._write

    def slow(spool: Spool, data: bytes, place: int) -> None:
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
        write(spool, data, place)

    monkeypatch.setattr(Spool, "_write", slow)
    spool = Spool(10, disk=True, room=Room())
    putting = asyncio.ensure_future(spool.put(b"x" * 100))
    await asyncio.sleep(0.01)
    putting.cancel()
    await asyncio.wait((putting,))
    reading = asyncio.ensure_future(everything(spool))
    await asyncio.sleep(0.01)
    assert not reading.done()
    go_on.set()
    assert await reading == b"x" * 100
    spool.close()
    assert descriptors() == before


async def test_closing_waits_for_the_disk_without_stopping_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = descriptors()
    go_on = asyncio.Event()
    loop = asyncio.get_running_loop()
    write: Any = Spool._write

    def slow(spool: Spool, data: bytes, place: int) -> None:
        write(spool, data, place)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()

    monkeypatch.setattr(Spool, "_write", slow)
    spool = Spool(10, disk=True, room=Room())
    putting = asyncio.ensure_future(spool.put(b"x" * 100))
    await asyncio.sleep(0.01)
    putting.cancel()
    spool.close()
    assert len(descriptors() - before) == 1
    go_on.set()
    async with asyncio.timeout(30):
        while descriptors() != before:  # noqa: ASYNC110  (nobody tells)
            await asyncio.sleep(0.01)


async def test_what_waits_for_the_disk_takes_room_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """500 uploads that came to their limit at once had 300 MiB there, uncounted."""
    go_on = asyncio.Event()
    loop = asyncio.get_running_loop()
    write: Any = Spool._write

    def slow(spool: Spool, pieces: Any, place: int) -> None:
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
        write(spool, pieces, place)

    monkeypatch.setattr(Spool, "_write", slow)
    room = Room()
    spool = Spool(100, disk=True, room=room)
    await spool.put(b"x" * 100)
    putting = asyncio.ensure_future(spool.put(b"y"))
    other = asyncio.ensure_future(spool.put(b"z"))  # of the next attempt; it waits for the first
    await asyncio.sleep(0)
    other.cancel()
    await asyncio.wait((other,))
    assert room.memory == 100
    go_on.set()
    await putting
    assert room.memory == 0
    spool.close()
    assert (room.memory, room.disk) == (0, 0)


async def test_a_disk_that_fails_behind_a_cancelled_attempt_is_known_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is there is not all: sent again, it would end as if it were."""

    def full(*_: Any) -> int:
        raise OSError("no space left on device")

    spool = Spool(10, disk=True, room=Room())
    monkeypatch.setattr(os, "pwrite", full)
    putting = asyncio.ensure_future(spool.put(b"x" * 100))
    await asyncio.sleep(0)
    putting.cancel()
    await asyncio.gather(putting, return_exceptions=True)
    async with asyncio.timeout(30):
        while not spool.lost:  # noqa: ASYNC110 - a thread tells nobody
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("sizes", "disk", "expected"),
    [
        ((100,), True, [(100, 0, False)]),
        ((100, 100), True, [(100, 0, False), (100, 100, False)]),  # no more memory for the second
        ((100, 100), False, [(100, 0, False), (100, 0, True)]),
        ((501,), True, [(0, 0, True)]),  # some upload without end
        ((400, 400, 400), True, [(0, 400, False), (0, 800, False), (0, 800, True)]),
    ],
)
async def test_all_bodies_that_are_kept_share_what_there_is(
    sizes: tuple[int, ...], disk: bool, expected: list[tuple[int, int, bool]]
) -> None:
    room = Room(memory=150, disk=1000, longest=500)
    spools = []
    for size, then in zip(sizes, expected, strict=True):
        spool = Spool(1000, disk=disk, room=room)
        spools.append(spool)
        await spool.put(b"x" * size)
        assert (room.memory, room.disk, spool.lost) == then
    for spool in spools:
        spool.close()
        spool.close()
    assert (room.memory, room.disk) == (0, 0)


async def test_a_body_without_end_is_let_go_and_goes_on() -> None:
    before = descriptors()
    room = Room(memory=1000, disk=10_000, longest=5000)
    spool = Spool(100, disk=True, room=room)
    for _ in range(60):
        await spool.put(b"x" * 100)
    assert (spool.lost, room.memory, room.disk) == (True, 0, 0)
    assert descriptors() == before
