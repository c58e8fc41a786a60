"""What happens behind a stale answer."""

import asyncio

import pytest

from proxy.core.errors import ConnectFailed
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.edge.responses import log_covered
from proxy.middleware.cache.asked import Asked
from proxy.middleware.cache.refreshing import Refresher
from proxy.middleware.cache.rests import Rests
from tests.support.caching import settled
from tests.support.loop import CannedReply, JumpingLoop, get, loop_clock, reply

ASKED = Asked(get(), lambda *_: b"k")


async def test_what_is_asked_for_is_asked_for_once_and_read_to_its_end(
    jumping: JumpingLoop,
) -> None:
    answers: list[CannedReply] = []

    async def ask(exchange: Exchange) -> Reply:
        await asyncio.sleep(1)
        answers.append(reply(200, [], b"body"))
        return answers[-1]

    tasks: set[asyncio.Task[None]] = set()
    refresher = Refresher(tasks, Rests(loop_clock()), log_covered)
    for _ in range(3):
        refresher.begin(ASKED, b"i", ask)
    assert len(tasks) == 1
    await asyncio.sleep(2)
    assert [answer.closed for answer in answers] == [True]
    assert not tasks
    assert not refresher.under_way


async def test_a_failure_begins_a_rest_and_the_log_says_why(
    jumping: JumpingLoop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    async def ask(exchange: Exchange) -> Reply:
        raise ConnectFailed("no connection")

    rests = Rests(loop_clock())
    Refresher(set(), rests, log_covered).begin(ASKED, b"i", ask)
    await settled()
    assert rests.under_way(b"k")
    assert caplog.messages == ["no connection"]
