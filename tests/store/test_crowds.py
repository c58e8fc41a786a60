"""Many clients that ask for one reply at the same time: the store is asked once or twice."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from proxy.store.database import Database
from proxy.store.parts import PIECE
from proxy.store.redis import RedisStore
from proxy.store.redis_time import RedisTime
from proxy.store.sqlite import SqliteStore
from tests.support.loop import JumpingLoop
from tests.support.stored import put

CROWD = 300


class Held:
    """A look at a file that goes on when it is let go."""

    def __init__(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.gate = threading.Event()
        look = getattr(Database, name)

        def held(database: Database, *which: Any) -> Any:
            self.count += 1
            assert self.gate.wait(60)
            return look(database, *which)

        monkeypatch.setattr(Database, name, held)


async def test_a_crowd_reads_a_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(tmp_path / "store.db", 64 << 20, 60.0)
    put(store, b"k", b"x" * PIECE * 2)
    await store.get(b"k")
    rows, parts = Held("find", monkeypatch), Held("chunk", monkeypatch)
    looks = [asyncio.create_task(store.get(b"k")) for _ in range(CROWD)]
    await asyncio.sleep(0)
    rows.gate.set()
    found = [entry for [entry] in await asyncio.gather(*looks)]
    reads = [asyncio.create_task(entry.read(0, first=True)) for entry in found]
    await asyncio.sleep(0)
    parts.gate.set()
    assert set(await asyncio.gather(*reads)) == {b"x" * PIECE}
    assert (rows.count <= 2, parts.count <= 2) == (True, True)
    await store.close()


async def test_a_crowd_asks_redis_once(
    jumping: JumpingLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0

    async def hgetall(_: bytes) -> dict[bytes, bytes]:
        nonlocal count
        count += 1
        await asyncio.sleep(0.04)
        return {}

    monkeypatch.setattr(RedisTime, "known", lambda _: asyncio.sleep(0))
    store = RedisStore("redis://127.0.0.1:1", 0.05)
    monkeypatch.setattr(store._client, "hgetall", hgetall)
    await asyncio.gather(*(store.get(b"k") for _ in range(CROWD)))
    assert count == 1
    await store.close()
