"""Until when requests join a call of which nothing comes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.core.errors import QueueFull
from proxy.core.exchange import Exchange
from proxy.core.record import PERMIT
from proxy.core.reply import Ending, Reply
from proxy.middleware.coalesce.coalesce import Coalesce
from proxy.middleware.coalesce.options import CoalesceOptions
from proxy.middleware.coalesce.shared_reply import MemoryBudget
from tests.support.loop import JumpingLoop, Script, get, loop_clock, reply
from tests.support.pieces import body


@pytest.fixture(autouse=True)
async def nothing_left(jumping: JumpingLoop) -> AsyncIterator[None]:
    """No task outlives a test."""
    yield
    for _ in range(3):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


class Clients:
    """Ask for the same, each for as long as it is patient."""

    def __init__(self, *outcomes: Any) -> None:
        self.script = Script(*outcomes)
        self.inner = Coalesce(
            self.script, CoalesceOptions(), MemoryBudget(), set(), clock=loop_clock()
        )
        self.began = loop_clock()()
        self._tasks: list[asyncio.Task[bytes | None]] = []

    async def ask(self, patience: float = 1_000.0) -> bytes | None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                answer = await self.inner.handle(get())
                try:
                    return await body(answer)
                finally:
                    answer.close(Ending.ABANDONED)  # unless it has ended
        return None

    async def come(self, count: int, patience: float, every: float = 1.0) -> None:
        for _ in range(count):
            self._tasks.append(asyncio.create_task(self.ask(patience)))
            await asyncio.sleep(every)

    async def answers(self) -> list[bytes | None]:
        return await asyncio.gather(*self._tasks)

    @property
    def sent_after(self) -> list[float]:
        return [round(time - self.began) for time in self.script.times]


HANGS = (900, reply(body=b"late"))
QUICK = [reply(body=b"now") for _ in range(40)]


@pytest.mark.parametrize("patience", [0.9, 2.5, 1_000.0])
async def test_one_that_stalls_does_not_take_all_others_with_it(patience: float) -> None:
    clients = Clients(HANGS, *QUICK)
    await clients.come(1, 100.0)
    await clients.come(20, patience)
    answered = await clients.answers()
    assert answered[5:] == [b"now"] * 16
    assert clients.sent_after[:2] == [0, 5]


@pytest.mark.parametrize(
    ("patience", "sent"),
    [(0.9, [0, 5, 15, 45]), (7.5, [0, 5, 15, 35, 75]), (200.0, [0, 5, 15, 35, 75])],
    ids=["they-leave-the-call", "they-overlap", "they-wait"],
)
async def test_an_api_that_thinks_for_long_gets_few_calls(
    patience: float, sent: list[float]
) -> None:
    clients = Clients(*[(90, reply(body=b"thought")) for _ in range(5)])
    await clients.come(1, 95.0)
    await clients.come(88, patience)
    assert clients.sent_after == sent
    answered = await clients.answers()
    assert answered[0] == b"thought"
    assert answered[-1] == (b"thought" if patience == 200.0 else None)


async def test_a_thousand_share_a_call_that_is_answered_in_time() -> None:
    clients = Clients((4.9, reply(body=b"all")))
    await clients.come(1_000, 10.0, every=0.0)
    assert set(await clients.answers()) == {b"all"}
    assert clients.script.sends == 1


async def test_what_is_answered_begins_anew() -> None:
    clients = Clients(HANGS, reply(body=b"now"), HANGS, reply(body=b"now"))
    await clients.come(1, 30.0)
    await asyncio.sleep(5)
    assert await clients.ask() == b"now"
    await clients.come(1, 30.0)
    await asyncio.sleep(3)
    assert await clients.ask(1) is None
    assert await clients.ask() == b"now"
    assert clients.sent_after == [0, 6, 6, 11]
    await clients.answers()


async def test_a_call_that_is_refused_leaves_the_earlier_one_to_be_joined() -> None:
    clients = Clients((12, reply(body=b"late")), QueueFull("full"))
    await clients.come(1, 30.0)
    await asyncio.sleep(5)
    with pytest.raises(QueueFull):
        await clients.ask()
    assert await clients.ask() == b"late"
    assert clients.script.sends == 2


async def test_what_is_not_sent_yet_is_waited_for() -> None:
    async def queued(exchange: Exchange) -> Reply:
        with exchange.record.waiting(PERMIT, loop_clock()):
            await asyncio.sleep(20)
        await asyncio.sleep(4)
        return reply(body=b"after all")

    clients = Clients(queued)
    await clients.come(23, 100.0)
    assert set(await clients.answers()) == {b"after all"}
    assert clients.script.sends == 1


async def test_who_joins_follows_what_is_usual() -> None:
    async def thinks(exchange: Exchange) -> Reply:
        await asyncio.sleep(30)
        exchange.record.first_byte_at = loop_clock()()
        return reply(body=b"thought")

    clients = Clients(*[thinks] * 20, HANGS, *QUICK)
    for _ in range(20):
        assert await clients.ask() == b"thought"
    began = loop_clock()()
    await clients.come(1, 100.0)
    await clients.come(70, 0.5)
    assert [time - began for time in clients.script.times[20:22]] == [0, 60]
    await clients.answers()


class Parts:
    """A body of which a part comes at each of these seconds."""

    buffered = None

    def __init__(self, *after: float) -> None:
        self._after = list(after)

    async def read(self) -> bytes:
        if not self._after:
            return b""
        await asyncio.sleep(self._after.pop(0))
        return b"x" * 300_000  # more than is read ahead

    def close(self, ending: Ending) -> None:
        """Nothing to do."""


@pytest.mark.parametrize(
    ("after", "sent"),
    [((1, 900, 1), [0, 6]), ((4, 4, 4, 4, 4), [0])],
    ids=["stalls", "drips"],
)
async def test_a_body_of_which_nothing_comes_is_joined_for_as_long(
    after: tuple[float, ...], sent: list[float]
) -> None:
    clients = Clients(Reply(200, (), Parts(*after)), *QUICK)
    await clients.come(1, 50.0)
    await clients.come(18, 0.5)
    assert clients.sent_after[:2] == sent
    await clients.answers()


async def test_a_body_that_its_clients_do_not_take_has_not_stalled() -> None:
    clients = Clients(Reply(200, (), Parts(0, 0, 0)))
    taken = await clients.inner.handle(get())
    await taken.read()
    await asyncio.sleep(60)
    assert await clients.ask() == b"x" * 900_000
    assert await body(taken) == b"x" * 600_000
    assert clients.script.sends == 1
