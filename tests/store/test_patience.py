"""How long Redis is waited for, where many ask at the same time."""

import asyncio

import pytest

from proxy.core.stored import StoreFailed
from proxy.store.patience import LONGEST
from proxy.store.redis_calls import RedisCalls
from tests.support.loop import JumpingLoop, loop_clock


def made(connections: int = 1) -> RedisCalls:
    """Nothing is sent to it: the tests say how long their work takes."""
    return RedisCalls(f"redis://a?max_connections={connections}", 0.05, loop_clock())


async def test_who_waits_for_a_connection_is_patient_while_others_are_answered(
    jumping: JumpingLoop,
) -> None:
    calls, began = made(), jumping.time()
    await asyncio.gather(*(calls.ask(lambda: asyncio.sleep(0.04)) for _ in range(40)))
    assert jumping.time() - began == pytest.approx(1.6)
    await calls.close()


async def test_but_not_for_ever_and_that_is_no_failure_of_redis(jumping: JumpingLoop) -> None:
    calls, began = made(), jumping.time()
    asks = (calls.ask(lambda: asyncio.sleep(0.04)) for _ in range(200))
    came = await asyncio.gather(*asks, return_exceptions=True)
    assert {str(each) for each in came} == {"None", "all connections are in use"}
    assert jumping.time() - began == pytest.approx(LONGEST, abs=0.05)
    assert not calls.circuit.is_open
    await calls.close()


async def test_who_waits_leaves_at_once_when_the_others_have_waited_in_vain(
    jumping: JumpingLoop,
) -> None:
    calls, sent = made(3), list[float]()

    async def work() -> None:
        sent.append(jumping.time())
        await asyncio.sleep(3600)

    began = jumping.time()
    first = [asyncio.create_task(calls.ask(work)) for _ in range(3)]
    await asyncio.sleep(0.04)
    with pytest.raises(StoreFailed, match="does not answer"):
        await calls.ask(work)
    assert jumping.time() - began == pytest.approx(0.05)
    assert len(sent) == 3
    await asyncio.gather(*first, return_exceptions=True)
    assert calls.circuit.is_open
    await calls.close()


async def test_an_answer_that_is_there_when_the_time_is_over_is_taken(
    jumping: JumpingLoop,
) -> None:
    calls = made()

    async def while_the_loop_is_busy() -> str:
        jumping.move(1)
        for _ in range(5):
            await asyncio.sleep(0)  # it is read, and handed on
        return "found"

    assert await calls.ask(while_the_loop_is_busy) == "found"
    assert not calls.failures
    await calls.close()


async def test_an_answer_has_its_time_from_when_there_is_a_connection(
    jumping: JumpingLoop,
) -> None:
    calls, began = made(), jumping.time()
    held = asyncio.create_task(calls.ask(lambda: asyncio.sleep(0.04)))
    await asyncio.sleep(0)
    with pytest.raises(StoreFailed, match="no answer within 50 ms"):
        await calls.ask(lambda: asyncio.sleep(3600))
    assert jumping.time() - began == pytest.approx(0.09)
    await held
    await calls.close()
