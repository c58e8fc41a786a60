"""Until when requests join a call of which nothing comes."""

import asyncio
import contextlib
import random
from typing import Any

import pytest

from proxy.core.errors import QueueFull
from proxy.core.exchange import Exchange
from proxy.core.record import PERMIT
from proxy.core.reply import Ending, Reply
from proxy.core.shared import Shared
from proxy.middleware.coalesce.coalesce import Coalesce, link
from proxy.middleware.coalesce.options import CoalesceOptions
from proxy.middleware.coalesce.shared_reply import MemoryBudget
from proxy.run.scopes import scope_of
from tests.support.loop import JumpingLoop, Script, get, loop_clock, reply, settle
from tests.support.pieces import body
from tests.support.proxy import parsed

pytestmark = pytest.mark.usefixtures("nothing_left")


class Clients:
    """Ask for the same, each for as long as it is patient."""

    def __init__(self, *outcomes: Any) -> None:
        self.script = Script(*outcomes)
        self.inner = Coalesce(
            self._send, CoalesceOptions(), MemoryBudget(), set(), clock=loop_clock()
        )
        self.began = loop_clock()()
        self._tasks: list[asyncio.Task[bytes | None]] = []

    async def _send(self, exchange: Exchange) -> Reply:
        exchange.record.sent_at = loop_clock()()  # unless it is ``Queued``
        return await self.script(exchange)

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


class Queued:
    """Sent after a wait, and then answered after a while."""

    def __init__(self, waits: float, takes: float, answer: bytes = b"") -> None:
        self._waits, self._takes, self._answer = waits, takes, answer

    async def __call__(self, exchange: Exchange) -> Reply:
        record, clock = exchange.record, loop_clock()
        record.sent_at = None
        with record.waiting(PERMIT, clock):
            await asyncio.sleep(self._waits)
        record.sent_at = clock()
        await asyncio.sleep(self._takes)
        record.first_byte_at = clock()
        return reply(body=self._answer)


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


async def test_who_is_refused_beside_a_call_that_stalls_has_nobody_put_on_that(
    jumping: JumpingLoop,
) -> None:
    """The one that waited with it sends the request, and so does the next one to come."""
    clients = Clients(HANGS, (1, QueueFull("full")), QUICK[0], QueueFull("full"), *QUICK[1:])
    await clients.come(1, 100.0)
    await asyncio.sleep(5)
    both = await asyncio.gather(*(settle(clients.ask()) for _ in range(2)))
    assert isinstance(both[0], QueueFull)
    assert both[1] == b"now"
    assert isinstance(await settle(clients.ask()), QueueFull)
    assert await clients.ask() == b"now"
    assert clients.sent_after == [0, 6, 7, 7, 7]
    assert await clients.answers() == [None]


async def test_what_was_not_sent_makes_nobody_wait_for_longer() -> None:
    """Neither what was refused, nor what its clients left in a queue."""
    clients = Clients(HANGS, QueueFull("full"), Queued(900, 1), HANGS, *QUICK)
    await clients.come(1, 100.0)
    await asyncio.sleep(4)
    assert isinstance(await settle(clients.ask()), QueueFull)
    assert await clients.ask(2) is None
    await clients.come(13, 2.5)
    assert clients.sent_after == [0, 5, 5, 7, 17, 18, 19]
    assert (await clients.answers())[-3:] == [b"now"] * 3


async def test_an_earlier_call_that_has_ended_too_is_not_joined_again() -> None:
    clients = Clients(HANGS, HANGS, HANGS, *QUICK)
    await clients.come(1, 100.0)
    await asyncio.sleep(4)
    await clients.come(1, 15.0)
    await asyncio.sleep(9)
    assert await clients.ask(10) is None  # the third; the one before it was left at 20
    assert await clients.ask(9) is None  # on the first
    assert clients.sent_after == [0, 5, 15]
    await asyncio.sleep(1)
    assert await clients.ask() == b"now"
    assert clients.sent_after == [0, 5, 15, 35]
    await clients.answers()


async def test_what_is_not_sent_yet_is_waited_for() -> None:
    clients = Clients(Queued(20, 4, b"after all"))
    await clients.come(23, 100.0)
    assert set(await clients.answers()) == {b"after all"}
    assert clients.script.sends == 1


async def test_waits_before_a_call_are_neither_its_silence_nor_what_is_usual() -> None:
    clients = Clients(*[Queued(30, 1, b"quick")] * 20, HANGS, *QUICK)
    for _ in range(20):
        leader = get()
        leader.record.queue_s = 40.0
        assert await body(await clients.inner.handle(leader)) == b"quick"
    assert clients.inner.joined_for() == 5.0
    began, leader = loop_clock()(), get()
    leader.record.queue_s = 40.0
    stalls = asyncio.create_task(settle(clients.inner.handle(leader)))
    await asyncio.sleep(5)
    assert await clients.ask() == b"now"
    assert [time - began for time in clients.script.times[20:]] == [0, 5]
    stalls.cancel()
    await asyncio.wait([stalls])


async def test_who_joins_follows_what_is_usual() -> None:
    async def thinks(exchange: Exchange) -> Reply:
        await asyncio.sleep(30)
        exchange.record.first_byte_at = loop_clock()()
        return reply(body=b"thought")

    clients = Clients(*[thinks] * 20, HANGS, HANGS, *QUICK)
    for _ in range(20):
        assert await clients.ask() == b"thought"
    began = loop_clock()()
    await clients.come(1, 100.0)
    await clients.come(190, 1.5)
    assert [time - began for time in clients.script.times[20:23]] == [0, 60, 180]
    await clients.answers()


@pytest.mark.parametrize("reloaded", [False, True])
async def test_what_is_usual_on_a_route_is_known_after_a_reload(
    jumping: JumpingLoop, reloaded: bool
) -> None:
    text = '[coalesce]\n[[upstreams]]\nname = "a"\nservers = ["http://a"]'
    before = Shared(random.Random(1), clock=loop_clock())
    after = Shared(random.Random(1), clock=loop_clock(), before=before) if reloaded else before
    handlers = [
        link(scope_of(parsed(text).routes[0], shared), Queued(0, 30)) for shared in (before, after)
    ]
    for _ in range(20):
        assert handlers[0] is not None
        await handlers[0](get())
    coalesce: Any = getattr(handlers[1], "__self__", None)
    assert coalesce.joined_for() == 60.0


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
