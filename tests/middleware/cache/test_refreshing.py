"""What happens behind a stale answer."""

import asyncio

from proxy.core.errors import ConnectFailed
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.middleware.cache.refreshing import Refresher, Rests
from tests.support.caching import settled
from tests.support.loop import CannedReply, JumpingLoop, get, loop_clock, reply


async def test_a_rest_is_a_second(jumping: JumpingLoop) -> None:
    rests = Rests(loop_clock())
    assert not rests.under_way(b"k")
    rests.begin(b"k")
    await asyncio.sleep(0.9)
    assert rests.under_way(b"k")
    await asyncio.sleep(0.2)
    assert not rests.under_way(b"k")


async def test_rests_are_bounded(jumping: JumpingLoop) -> None:
    rests = Rests(loop_clock())
    for number in range(5000):
        rests.begin(b"%d" % number)
    assert not rests.under_way(b"0")
    assert rests.under_way(b"4999")
    assert len(rests._until) < 5000


async def test_what_is_asked_for_is_asked_for_once_and_read_to_its_end(
    jumping: JumpingLoop,
) -> None:
    answers: list[CannedReply] = []

    async def ask(exchange: Exchange) -> Reply:
        await asyncio.sleep(1)
        answers.append(reply(200, [], b"body"))
        return answers[-1]

    tasks: set[asyncio.Task[None]] = set()
    refresher = Refresher(tasks, Rests(loop_clock()))
    for _ in range(3):
        refresher.begin(get(), b"k", b"i", ask)
    assert len(tasks) == 1
    await asyncio.sleep(2)
    assert [answer.closed for answer in answers] == [True]
    assert not tasks
    assert not refresher.under_way


async def test_a_failure_begins_a_rest(jumping: JumpingLoop) -> None:
    async def ask(exchange: Exchange) -> Reply:
        raise ConnectFailed

    rests = Rests(loop_clock())
    Refresher(set(), rests).begin(get(), b"k", b"i", ask)
    await settled()
    assert rests.under_way(b"k")
