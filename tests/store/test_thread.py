"""A thread that does one thing after the other."""

import asyncio
import threading

import pytest

from proxy.core.stored import StoreFailed
from proxy.store.thread import Worker


async def test_things_are_done_in_order_and_elsewhere() -> None:
    worker, done = Worker("w"), list[int]()
    for number in range(100):
        worker.begin(lambda number=number: done.append(number))  # type: ignore[misc]
    assert await worker.call(threading.get_ident) != threading.get_ident()
    assert done == list(range(100))
    worker.stop()


async def test_what_fails_is_told_to_who_waits_and_ends_nothing() -> None:
    worker = Worker("w")
    worker.begin(lambda: 1 / 0)
    with pytest.raises(StoreFailed, match="division"):
        await worker.call(lambda: 1 / 0)
    assert await worker.call(lambda: 5) == 5
    worker.stop()


async def test_who_waits_no_longer_is_told_nothing() -> None:
    worker, gate = Worker("w"), threading.Event()
    waiting = asyncio.create_task(worker.call(gate.wait))
    await asyncio.sleep(0)
    waiting.cancel()
    gate.set()
    assert await worker.call(lambda: 5) == 5
    assert waiting.cancelled()
    worker.stop()
    worker.stop()
