"""Work that may wait for ever."""

import asyncio
import threading

import pytest

from proxy.core.daemon_threads import in_daemon_thread


async def test_what_it_returns_or_raises_is_told() -> None:
    assert await in_daemon_thread(lambda: threading.current_thread().daemon)
    with pytest.raises(ZeroDivisionError):
        await in_daemon_thread(lambda: 1 // 0)


def test_the_end_of_the_loop_does_not_wait_for_it() -> None:
    begun, may = threading.Event(), threading.Event()

    def waits() -> None:
        begun.set()
        may.wait()

    async def main() -> None:
        task = asyncio.create_task(in_daemon_thread(waits))
        await asyncio.to_thread(begun.wait)
        task.cancel()

    ended = threading.Thread(target=asyncio.run, args=(main(),), daemon=True)
    ended.start()
    ended.join(30)
    assert not ended.is_alive()
    may.set()


async def test_who_waits_no_longer_is_told_nothing() -> None:
    may = threading.Event()
    task = asyncio.create_task(in_daemon_thread(lambda: may.wait(30)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    may.set()
    assert await in_daemon_thread(lambda: "next") == "next"
