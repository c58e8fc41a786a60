"""What happens behind a stale answer."""

import asyncio
import random
from typing import Any

import pytest

from proxy.core.errors import ConnectFailed
from proxy.core.exchange import Exchange
from proxy.core.record import TOKEN, Wait
from proxy.core.reply import Reply
from proxy.core.shared import Shared
from proxy.edge.responses import log_covered
from proxy.middleware.cache.asked import asked_by
from proxy.middleware.cache.expiring_keys import ExpiringKeys
from proxy.middleware.cache.refreshing import Refresher
from tests.support.caching import settled
from tests.support.loop import CannedReply, JumpingLoop, get, loop_clock, reply

ASKED = asked_by(get(), lambda *_: b"k")


async def test_what_is_asked_for_is_asked_for_once_and_read_to_its_end(
    jumping: JumpingLoop,
) -> None:
    answers: list[CannedReply] = []

    async def ask(exchange: Exchange) -> Reply:
        await asyncio.sleep(1)
        answers.append(reply(200, [], b"body"))
        return answers[-1]

    shared = Shared(random.Random(1), clock=loop_clock())
    told: list[tuple[Exchange, float]] = []
    shared.unseen = lambda exchange, now: told.append((exchange, now))
    refresher = Refresher(shared, ExpiringKeys(loop_clock()), log_covered, lambda: 5.0)
    asked = ASKED.exchange.record
    asked.head_s, asked.queue_s = 1.5, 0.5
    asked.longest_wait = Wait(TOKEN, 1.0, seconds=0.5)
    for _ in range(3):
        refresher.begin(ASKED, b"i", ask)
    assert len(shared.tasks) == 1
    began = jumping.time()
    await asyncio.sleep(2)
    assert [answer.closed for answer in answers] == [True]
    assert not shared.tasks
    assert not refresher.under_way
    [(exchange, ended)] = told  # whoever counts
    assert (exchange.started_at - began, ended - began) == (0.0, 1.0)
    assert exchange.asked_at == exchange.started_at  # what its client took is not its own
    assert (exchange.record.queue_s, exchange.record.longest_wait) == (0.0, None)


async def test_what_stalls_keeps_others_from_asking_for_a_bounded_time(
    jumping: JumpingLoop,
) -> None:
    asked_at: list[float] = []

    async def ask(_: Exchange) -> Reply:
        asked_at.append(jumping.time())
        await asyncio.sleep(100 if len(asked_at) < 3 else 1)
        return reply(200, [], b"body")

    shared = Shared(random.Random(1), clock=loop_clock())
    refresher = Refresher(shared, ExpiringKeys(loop_clock()), log_covered, lambda: 5.0)
    began = jumping.time()
    for _ in range(31):
        refresher.begin(ASKED, b"i", ask)
        await asyncio.sleep(1)
    assert [at - began for at in asked_at] == [0, 10, 30]
    await asyncio.sleep(1)
    assert not refresher.under_way  # one was answered
    await asyncio.sleep(100)
    assert not shared.tasks


async def test_one_that_ends_at_last_leaves_the_one_beside_it_alone(jumping: JumpingLoop) -> None:
    asked_at: list[float] = []

    async def ask(_: Exchange) -> Reply:
        asked_at.append(jumping.time())
        await asyncio.sleep(12)
        return reply(200, [], b"body")

    shared = Shared(random.Random(1), clock=loop_clock())
    refresher = Refresher(shared, ExpiringKeys(loop_clock()), log_covered, lambda: 5.0)
    began = jumping.time()
    for _ in range(21):
        refresher.begin(ASKED, b"i", ask)
        await asyncio.sleep(1)
    assert [at - began for at in asked_at] == [0, 10]
    await asyncio.sleep(2)
    assert not refresher.under_way
    assert not shared.tasks


@pytest.mark.parametrize(
    ("fault", "token", "told"),
    [
        (ConnectFailed("no connection"), "", ["no connection"]),
        (reply(503, [], b"no"), "", ["http://a answered 503"]),
        (reply(200, [], b"sorry"), "connection_refused", []),  # ``fallback`` has told it
    ],
    ids=["error", "reply", "covered"],
)
async def test_a_failure_begins_a_rest_and_the_log_says_why(
    jumping: JumpingLoop,
    fault: Any,
    token: str,
    told: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")

    async def ask(exchange: Exchange) -> Reply:
        exchange.record.endpoint, exchange.error = "http://a", token
        if isinstance(fault, Exception):
            raise fault
        answer: Reply = fault
        return answer

    failing = ExpiringKeys(loop_clock())
    shared = Shared(random.Random(1), clock=loop_clock())
    outcomes: list[str] = []
    shared.unseen = lambda exchange, _: outcomes.append(exchange.record.outcome)
    Refresher(shared, failing, log_covered, lambda: 5.0).begin(ASKED, b"i", ask)
    await settled()
    assert outcomes == ["connect-failure" if isinstance(fault, Exception) else ""]
    assert failing.holds(b"k")
    assert caplog.messages == told
