"""A thread that does one thing after the other."""

import asyncio
import threading
import time

import pytest

from proxy.core.stored import StoreFailed
from proxy.store.patience import LONGEST
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


async def test_who_waits_too_long_is_told_so_and_the_rest_goes_on() -> None:
    worker, gate = Worker("w"), threading.Event()
    with pytest.raises(TimeoutError):
        await worker.call(gate.wait, 0.01)
    gate.set()
    assert await worker.call(lambda: 5) == 5
    assert await worker.call(lambda: 6, 60.0) == 6
    worker.stop()


async def test_what_takes_too_long_is_waited_for_once() -> None:
    """While a file is locked each request would wait three times: for a look-up, and so on."""
    worker, gate, done = Worker("w"), threading.Event(), list[int]()
    with pytest.raises(TimeoutError):
        await worker.call(gate.wait, 0.01)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await worker.call(lambda: done.append(1), 3600.0)
    gate.set()
    assert await worker.call(lambda: 5) == 5
    assert await worker.call(lambda: 6, 60.0) == 6
    assert not done
    worker.stop()


async def test_equal_looks_that_wait_for_their_turn_are_one() -> None:
    worker, gate, looks = Worker("w"), threading.Event(), list[int]()

    def look() -> int:
        looks.append(len(looks))
        return looks[-1]

    worker.begin(gate.wait)
    waiting = [asyncio.create_task(worker.call(look, 60.0, same="a")) for _ in range(300)]
    other = asyncio.create_task(worker.call(lambda: "b", same="b"))
    await asyncio.sleep(0)
    waiting[0].cancel()  # whoever leaves takes nobody along
    gate.set()
    assert await asyncio.gather(*waiting[1:]) == [0] * 299
    assert await other == "b"
    assert await worker.call(look, same="a") == 1
    worker.stop()


async def test_nobody_is_told_what_a_look_has_seen_that_began_earlier() -> None:
    worker, began, gate = Worker("w"), threading.Event(), threading.Event()
    stored = ["old"]

    def look() -> str:
        found = stored[0]
        began.set()
        assert gate.wait(60)
        return found

    first = asyncio.create_task(worker.call(look, same="a"))
    await asyncio.to_thread(began.wait, 60)
    stored[0] = "new"
    second = asyncio.create_task(worker.call(look, same="a"))
    await asyncio.sleep(0)
    gate.set()
    assert (await first, await second) == ("old", "new")
    worker.stop()


async def test_what_fails_is_told_to_all_who_wait_for_it() -> None:
    worker, gate = Worker("w"), threading.Event()
    worker.begin(gate.wait)
    waiting = [asyncio.create_task(worker.call(lambda: 1 / 0, same="a")) for _ in range(3)]
    await asyncio.sleep(0)
    gate.set()
    errors = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(error) for error in errors] == [StoreFailed] * 3
    assert len({id(error) for error in errors}) == 3
    worker.stop()


async def test_a_thread_that_goes_on_is_waited_for_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, gates = [1000.0], [threading.Event() for _ in range(3)]
    monkeypatch.setattr("proxy.store.thread.monotonic", lambda: now[0])
    worker = Worker("w")
    before = [asyncio.create_task(worker.call(gate.wait)) for gate in gates]
    waiting = asyncio.create_task(worker.call(lambda: "found", 0.01))
    for moment, gate, task in zip((0.009, 0.018), gates, before, strict=False):
        now[0] = 1000 + moment
        gate.set()
        await task
        await asyncio.sleep(0.02)  # the timer of who waits fires meanwhile
    assert not waiting.done()
    gates[2].set()
    assert await waiting == "found"
    worker.stop()


async def test_a_thread_that_is_slow_is_not_taken_for_one_that_stands_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, gates = [1000.0], [threading.Event() for _ in range(2)]
    monkeypatch.setattr("proxy.store.thread.monotonic", lambda: now[0])
    worker = Worker("w")
    before = [asyncio.create_task(worker.call(gate.wait)) for gate in gates]
    waiting = asyncio.create_task(worker.call(lambda: "found", 0.01))
    await asyncio.sleep(0)
    now[0] += LONGEST - 0.005
    gates[0].set()
    await before[0]
    now[0] += 0.005
    with pytest.raises(TimeoutError):
        await waiting
    next_one = asyncio.create_task(worker.call(lambda: "next", 3600.0))
    await asyncio.sleep(0)
    gates[1].set()
    assert await next_one == "next"
    worker.stop()


async def test_what_is_done_while_the_loop_is_busy_is_told_together() -> None:
    loop = asyncio.get_running_loop()
    worker, gate = Worker("w"), threading.Event()
    waiting = [asyncio.create_task(worker.call(lambda n=n: n)) for n in range(50)]  # type: ignore[misc]
    worker.begin(gate.set)
    await asyncio.sleep(0)  # all of it is given to the thread
    wake, wakes = loop.call_soon_threadsafe, list[object]()
    loop.call_soon_threadsafe = lambda *given: (wakes.append(given), wake(*given))[1]  # type: ignore[method-assign,func-returns-value]
    assert gate.wait(60)  # the loop stands still meanwhile
    assert await asyncio.gather(*waiting) == list(range(50))
    assert len(wakes) <= 2  # the thread may have begun before the loop stood still
    worker.stop()


def test_who_is_gone_with_its_loop_is_told_nothing() -> None:
    worker, gate = Worker("w"), threading.Event()
    seen: list[int] = []

    async def leave() -> None:
        asyncio.get_running_loop().create_task(worker.call(gate.wait))
        await asyncio.sleep(0)

    asyncio.run(leave())
    gate.set()
    worker.begin(lambda: seen.append(1))
    worker.stop()
    assert seen == [1]


async def test_a_loop_that_was_busy_gives_the_thread_a_few_turns() -> None:
    """The thread could do nothing meanwhile: that is no fault of the disk."""
    worker, gate, done = Worker("w"), threading.Event(), threading.Event()

    def work() -> str:
        gate.wait()
        return "found"

    def let_it_go_on() -> None:
        gate.set()
        done.wait()

    loop = asyncio.get_running_loop()
    finding = asyncio.create_task(worker.call(work, 0.01))
    after = asyncio.create_task(worker.call(done.set))
    await asyncio.sleep(0)
    time.sleep(0.05)  # noqa: ASYNC251 - the loop is busy, which is the point
    loop.call_soon(loop.call_soon, let_it_go_on)  # behind the timer of who waits
    await asyncio.gather(finding, after)
    assert finding.result() == "found"
    worker.stop()
