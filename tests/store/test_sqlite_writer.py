"""A reply on its way into a file."""

import asyncio
from pathlib import Path

import pytest

from proxy.store.parts import PIECE
from proxy.store.sqlite import SqliteStore
from tests.support.stored import meta


@pytest.mark.parametrize("size", [PIECE, PIECE + 1], ids=["short", "in chunks"])
async def test_what_the_disk_does_not_keep_up_with_is_not_stored(tmp_path: Path, size: int) -> None:
    store = SqliteStore(tmp_path / "store.db", 0, 0)
    gate, loop = asyncio.Event(), asyncio.get_running_loop()
    store._file.begin(lambda: asyncio.run_coroutine_threadsafe(gate.wait(), loop).result())
    body = b"x" * size
    taken = 0
    for number in range(1000):
        writer = store.put(b"%d" % number, meta())
        if not writer.write(body):
            writer.abort()
            break
        writer.commit()
        taken += 1
    assert 0 < taken * size <= 16 << 20
    gate.set()
    await store._file.change(lambda _: None)
    assert store.put(b"later", meta()).write(body)
    await store.close()
