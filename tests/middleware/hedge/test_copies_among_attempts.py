"""Copies count against ``[retry] attempts``, which are all that is sent for a request."""

import asyncio
import random
from functools import partial

import pytest

from proxy.core.errors import ConnectionTerminated, ProxyError
from proxy.core.exchange import Exchange, Handler
from proxy.core.outcome import repeatable
from proxy.core.reply import Reply
from proxy.middleware.hedge.hedge import Hedge
from proxy.middleware.hedge.options import HedgeOptions
from proxy.middleware.retry.options import RetryOptions
from proxy.middleware.retry.retry import Retry
from proxy.policy.budget import Budget
from tests.support.loop import JumpingLoop, get, loop_clock, reply


class Failing:
    """Each send fails after so many seconds."""

    def __init__(self, *seconds: float, ends: ProxyError | None = None) -> None:
        self._seconds = list(seconds)
        self._ends = ends
        self.exchanges: list[Exchange] = []

    async def __call__(self, exchange: Exchange) -> Reply:
        self.exchanges.append(exchange)
        exchange.record.attempt_count += 1
        await asyncio.sleep(self._seconds.pop(0) if len(self._seconds) > 1 else self._seconds[0])
        if self._ends is not None:
            raise self._ends
        return reply(503)


def chain(servers: Handler, attempts: int, copies: int = 1) -> Handler:
    """As ``run/chains`` would link them."""
    options = RetryOptions(attempts=attempts, on=("503", "reset"))
    hedge = Hedge(
        servers,
        HedgeOptions(delay="1s", max=copies, budget_percent=100.0),
        lambda: True,
        partial(repeatable, rules=options),
        options.keep,
        records_outcome=attempts == 1,
        clock=loop_clock(),
    )
    if attempts == 1:
        return hedge.handle
    budget = Budget(0, 1000, 10)
    return Retry(hedge.handle, options, budget, random.Random(1), clock=loop_clock()).handle


@pytest.mark.parametrize("copies", [1, 2, 5])
@pytest.mark.parametrize("attempts", [2, 3, 5])
@pytest.mark.parametrize("seconds", [0.5, 1.5, 30])
async def test_retries_and_copies_together_are_no_more_than_attempts(
    jumping: JumpingLoop, seconds: float, attempts: int, copies: int
) -> None:
    servers = Failing(seconds)
    exchange = get()
    assert (await chain(servers, attempts, copies)(exchange)).status == 503
    assert len(servers.exchanges) == exchange.record.attempt_count == attempts
    assert exchange.record.attempts_left == 0


async def test_errors_count_as_replies_do(jumping: JumpingLoop) -> None:
    servers = Failing(1.5, ends=ConnectionTerminated("reset"))
    with pytest.raises(ConnectionTerminated):
        await chain(servers, attempts=3)(get())
    assert len(servers.exchanges) == 3


async def test_without_retries_copies_are_sent_as_hedge_says(jumping: JumpingLoop) -> None:
    """One, and another one in its place once it has failed."""
    servers = Failing(30, 0.5)
    assert (await chain(servers, attempts=1)(get())).status == 503
    assert len(servers.exchanges) == 3
    # ``per_try`` would end one after which none may come.
    assert [each.record.attempts_left for each in servers.exchanges] == [0, 0, 0]


async def test_a_copy_that_follows_another_takes_the_attempt_from_all(
    jumping: JumpingLoop,
) -> None:
    """``per_try`` ends no attempt, and no copy, in whose place none may come."""
    servers = Failing(30)
    task = asyncio.ensure_future(chain(servers, attempts=3, copies=2)(get()))
    left: list[list[int]] = []
    for _ in range(3):
        await asyncio.sleep(0.9 if not left else 1.0)
        left.append([each.record.attempts_left for each in servers.exchanges])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left == [[2], [1, 1], [0, 0, 0]]
