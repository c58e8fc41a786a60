"""What is known of a request that has failed while its copies are under way."""

import asyncio
import contextlib
import random
from typing import Any

import pytest

from proxy.core.errors import ConnectionTerminated, Stage
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.middleware.hedge.hedge import Hedge
from proxy.middleware.hedge.options import HedgeOptions
from proxy.middleware.retry.options import RetryOptions
from proxy.middleware.retry.retry import Retry
from proxy.policy.budget import Budget
from proxy.telemetry.call import Teller, told_apart
from proxy.telemetry.phases import phases
from tests.middleware.hedge.test_hedge import Servers, hedge
from tests.support.loop import JumpingLoop, get, loop_clock, reply


@pytest.mark.parametrize("bad", [reply(503), ConnectionTerminated("no")])
async def test_no_further_copy_is_launched(jumping: JumpingLoop, bad: Any) -> None:
    servers = Servers((1.5, bad), (9, reply(200)), (1, reply(201)))
    exchange = get()
    assert (await hedge(servers, max=2).handle(exchange)).status == 200
    assert [each.endpoint for each in exchange.record.attempt_log] == ["s1", "s2"]
    assert exchange.record.attempt_count == 2


async def test_the_server_of_the_copy_is_waited_for(jumping: JumpingLoop) -> None:
    sent: list[Exchange] = []

    async def servers(exchange: Exchange) -> Reply:
        sent.append(exchange)
        record, number = exchange.record, len(sent)
        record.attempt_count, record.endpoint = 1, f"s{number}"
        record.connect_s = record.first_byte_at = None
        await asyncio.sleep(3 * number)
        record.connect_s, record.first_byte_at = 0.0, jumping.time()
        return reply(503 if number == 1 else 200)

    hedge = Hedge(
        servers,
        HedgeOptions(delay="1s", budget_percent=100),
        lambda: True,
        lambda _: True,
        lambda _: None,
        records_outcome=True,
        clock=loop_clock(),
    )
    exchange = get()
    task = asyncio.create_task(hedge.handle(exchange))
    await asyncio.sleep(4)
    seen = exchange.record.with_call()
    assert (seen.endpoint, seen.attempt_count, len(seen.attempt_log)) == ("s2", 2, 1)
    assert (seen.connect_s, seen.first_byte_at) == (None, None)
    assert (await task).status == 200
    assert exchange.record.call is None


def resets() -> ConnectionTerminated:
    return ConnectionTerminated("no", stage=Stage.SENT)


async def served(exchange: Exchange, *outcomes: Any, attempts: int = 1) -> float:
    """Have one served by servers called s1, s2 and s3, each by itself, with one copy; its end."""
    servers = iter(zip(("s1", "s2", "s3"), outcomes, strict=False))
    clock = loop_clock()

    async def handle(exchange: Exchange) -> Reply:
        record = exchange.record
        record.upstream, (record.endpoint, (seconds, came)) = "api", next(servers)
        record.attempt_count += 1
        record.connect_s, record.first_byte_at = 0.0, None
        await asyncio.sleep(seconds)
        if isinstance(came, Exception):
            raise came
        answer: Reply = came
        record.first_byte_at, record.reply_status = clock(), answer.status
        return answer

    inner = hedge(handle, max=1, records_outcome=attempts == 1).handle
    if attempts > 1:
        options = RetryOptions(attempts=attempts, on=("reset",))
        budget, rng = Budget(20.0, 1.0, 10.0), random.Random(1)
        inner = Retry(inner, options, budget, rng, clock=clock).handle
    exchange.started_at = clock()
    with contextlib.suppress(ConnectionTerminated):
        exchange.status = (await inner(exchange)).status
    exchange.status, exchange.committed = exchange.status or 502, True
    return clock()


@pytest.mark.parametrize("attempts", [1, 2], ids=["alone", "below a retry"])
@pytest.mark.parametrize("bad", [503, 0], ids=["a reply", "a reset"])
async def test_what_failed_first_ended_then_and_the_copy_was_waited_for(
    jumping: JumpingLoop, bad: int, attempts: int
) -> None:
    """Its server seemed to have sent three bytes for as long as the copy took."""
    exchange = get()
    own = reply(bad) if bad else resets()
    end = await served(exchange, (1.5, own), (7.0, resets()), attempts=attempts)
    log = exchange.record.attempt_log
    assert [(each.endpoint, each.seconds) for each in log] == [("s2", 7.0), ("s1", 1.5)]
    found = phases(exchange, end + 0.25)
    body = 0.25 if bad else 0.0
    assert (found.retries, found.first_byte, found.body) == (0.0, 8.25 - body, body)
    assert told_apart("first_byte", exchange, end) == ("api", "s2", "")
    told = Teller((), lambda: 0.0, lambda: 0.0).call(exchange, found, end + 0.25)
    assert told.why.endswith("waiting for the first byte of api (s2)")


async def test_the_server_that_failed_last_or_took_longest_is_the_one_that_was_waited_for(
    jumping: JumpingLoop,
) -> None:
    exchange = get()
    end = await served(exchange, (3.0, resets()), (4.0, resets()))
    assert told_apart("first_byte", exchange, end) == ("api", "s1", "")


async def test_a_copy_that_failed_before_another_try_is_a_failed_try(jumping: JumpingLoop) -> None:
    """Else a try that failed at once would have taken what its copy took."""
    exchange = get()
    outcomes = (1.5, resets()), (7.0, resets()), (0.5, reply(200))
    end = await served(exchange, *outcomes, attempts=3)
    found = phases(exchange, end)
    assert found.retries == pytest.approx(end - exchange.started_at - 0.5)
    call = Teller((), lambda: 0.0, lambda: 0.0).call(exchange, found, end)
    assert "2 failed tries of api (s2 reset after 7.0 s, s1 reset after 1.5 s)" in call.why
    assert told_apart("retries", exchange, end) == ("api", "s2", "")
