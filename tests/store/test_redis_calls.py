"""How Redis is asked."""

import asyncio
import time
from typing import Any

import pytest
from redis.exceptions import NoPermissionError

from proxy.core.clock import monotonic
from proxy.core.stored import StoreFailed
from proxy.store.redis_calls import WRITE_TIMEOUT, RedisCalls
from tests.support.fake_redis import fake_redis
from tests.support.loop import JumpingLoop, loop_clock


def made(timeout: float = 0.05) -> RedisCalls:
    """Nothing is sent to it: the tests say how long their work takes."""
    return RedisCalls("redis://127.0.0.1:1", timeout, loop_clock())


WORDS = "no answer within 50 ms"
ONCE = f"store: Redis has failed ({WORDS}); what it was asked for is a miss"
OPEN = f"store: Redis does not answer ({WORDS}); stored replies are misses"


async def test_the_log_says_in_two_lines_that_redis_does_not_answer_in_time(
    jumping: JumpingLoop, caplog: pytest.LogCaptureFixture
) -> None:
    calls = made()
    for _ in range(5):
        with pytest.raises(StoreFailed):
            await calls.ask(lambda: asyncio.sleep(1))
    assert caplog.messages == [ONCE, OPEN]
    await calls.close()


async def test_a_long_timeout_opens_the_circuit_too(jumping: JumpingLoop) -> None:
    calls = made(1.0)
    for _ in range(3):
        with pytest.raises(StoreFailed):
            await calls.ask(lambda: asyncio.sleep(5))
    assert calls.circuit.is_open
    await calls.close()


async def test_failures_now_and_then_are_a_line_in_ten_seconds(
    jumping: JumpingLoop, caplog: pytest.LogCaptureFixture
) -> None:
    calls = made()
    for _ in range(8):
        with pytest.raises(StoreFailed):
            await calls.ask(lambda: asyncio.sleep(1))
        await calls.ask(lambda: asyncio.sleep(0))
        await asyncio.sleep(2)
    assert caplog.messages == [ONCE, ONCE]
    await calls.close()


async def refused() -> None:
    raise ConnectionResetError


async def test_an_error_without_words_has_its_name(jumping: JumpingLoop) -> None:
    calls = made(0.0)
    with pytest.raises(StoreFailed, match="ConnectionResetError"):
        await calls.ask(refused)
    await calls.close()


@pytest.mark.parametrize(
    "kind", [RuntimeError, AssertionError, EOFError, OverflowError, NotImplementedError]
)
async def test_whatever_fails_is_a_miss_and_a_line_in_the_log(
    jumping: JumpingLoop, caplog: pytest.LogCaptureFixture, kind: type[Exception]
) -> None:
    """Where a connection has ended, uvloop says RuntimeError."""
    calls = made()

    async def fail() -> object:
        raise kind("the handler is closed")

    assert await calls.quietly(fail) is None
    words = f"{kind.__name__}: the handler is closed"
    assert caplog.messages == [
        f"store: Redis has failed ({words}); what it was asked for is a miss"
    ]
    assert calls.failures == 1
    with pytest.raises(StoreFailed):
        await calls.insist(fail)
    await calls.close()


async def test_what_has_begun_to_go_out_is_worth_a_second_try(jumping: JumpingLoop) -> None:
    calls, tries, began = made(), [WRITE_TIMEOUT + 1, WRITE_TIMEOUT - 1], jumping.time()

    async def slow() -> str:
        await asyncio.sleep(tries.pop(0))
        return "found"

    assert await calls.insist(slow) == "found"
    assert jumping.time() - began == pytest.approx(2 * WRITE_TIMEOUT - 1)
    await calls.close()


async def test_a_redis_that_restarts_meanwhile_is_asked_again_until_it_is_there(
    jumping: JumpingLoop,
) -> None:
    calls, back_at = made(), jumping.time() + WRITE_TIMEOUT - 0.5
    tries: list[float] = []

    async def restarting() -> str:
        tries.append(jumping.time())
        if jumping.time() < back_at:
            raise ConnectionRefusedError
        return "found"

    assert await calls.insist(restarting) == "found"
    assert tries[1] == tries[0]  # its connection may have ended while nobody used it
    assert tries[-1] - back_at < 0.5
    assert len(tries) < 12
    await calls.close()


@pytest.mark.parametrize(
    ("limit", "seconds"), [(0.05, WRITE_TIMEOUT), (0.0, WRITE_TIMEOUT), (5.0, 5.0)]
)
async def test_one_that_stays_away_is_not_asked_for_longer_than_one_attempt_may_take(
    jumping: JumpingLoop, limit: float, seconds: float
) -> None:
    calls, began = made(limit), jumping.time()
    with pytest.raises(StoreFailed):
        await calls.insist(refused)
    assert seconds <= jumping.time() - began < seconds + 0.5
    await calls.close()


async def test_one_that_refuses_is_asked_twice(jumping: JumpingLoop) -> None:
    calls, count = made(), 0

    async def may_not() -> None:
        nonlocal count
        count += 1
        raise NoPermissionError("this user may not")

    with pytest.raises(StoreFailed):
        await calls.insist(may_not)
    assert count == 2
    await calls.close()


async def test_the_circuit_hears_nothing_of_it(jumping: JumpingLoop) -> None:
    calls = made()
    for _ in range(3):
        with pytest.raises(StoreFailed):
            await calls.insist(refused)
    assert not calls.circuit.is_open
    await calls.close()


async def test_an_open_circuit_does_not_stop_it(jumping: JumpingLoop) -> None:
    calls = made()
    for _ in range(3):
        with pytest.raises(StoreFailed):
            await calls.ask(refused)
    assert calls.circuit.is_open
    assert await calls.insist(lambda: asyncio.sleep(0, "found")) == "found"
    await calls.close()


class StuckWriter:
    """Of a connection whose end nobody hears of."""

    closed = False

    def close(self) -> None:
        self.closed = True

    async def wait_closed(self) -> None:
        await asyncio.get_running_loop().create_future()


async def test_connections_whose_end_is_not_heard_of_are_closed_all_the_same(
    jumping: JumpingLoop,
) -> None:
    calls = made()
    pool = calls.client.connection_pool
    connections: list[Any] = [pool.make_connection(), pool.make_connection()]
    writers = [StuckWriter(), StuckWriter()]
    for connection, writer in zip(connections, writers, strict=True):
        connection._reader, connection._writer = asyncio.StreamReader(), writer
        pool._available_connections.append(connection)
    await calls.close()
    assert [writer.closed for writer in writers] == [True, True]


async def test_a_loop_that_is_busy_has_time_for_a_new_connection_too() -> None:
    """It had the time for an answer, so that the rest of a body was lost, to all who shared it."""
    busy = True

    async def turns() -> None:
        while busy:
            time.sleep(0.06)  # noqa: ASYNC251 - the loop stands still, which is the point
            await asyncio.sleep(0)

    async with fake_redis(b"+PONG\r\n") as server:
        calls = RedisCalls(f"redis://localhost:{server.port}", 0.05, monotonic)
        working = asyncio.create_task(turns())
        assert await calls.insist(calls.client.ping)
        busy = False
        await working
        await calls.close()
