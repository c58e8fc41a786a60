"""What is told of the attempts of a hedged call."""

import asyncio
import contextlib
import random
from typing import Any

import pytest

from proxy.core.errors import ConnectFailed, ConnectionTerminated, ServerAtLimit
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.middleware.retry.options import RetryOptions
from proxy.middleware.retry.retry import Retry
from proxy.policy.budget import Budget
from tests.middleware.hedge.test_hedge import Servers, hedge
from tests.support.loop import JumpingLoop, get, loop_clock, reply


@pytest.mark.parametrize(
    ("script", "log"),
    [
        (
            [(9, reply(200)), (0.5, reply(201))],
            [("s1", "hedged", 0.0, 1.5), ("s2", "201", 1.0, 0.5)],
        ),
        (
            [(1.5, reply(200)), (9, reply(201))],
            [("s2", "hedged", 1.0, 0.5), ("s1", "200", 0.0, 1.5)],
        ),
    ],
    ids=["the copy", "the first"],
)
async def test_below_a_retry_whoever_wins_is_logged_with_its_own_beginning(
    jumping: JumpingLoop, script: Any, log: list[tuple[str, str, float, float]]
) -> None:
    """The server of the copy looked as slow as that of the first, in the log and in traces."""
    inner = hedge(Servers(*script), records_outcome=False).handle
    retry = Retry(
        inner, RetryOptions(), Budget(20.0, 1.0, 10.0), random.Random(1), clock=loop_clock()
    )
    exchange, began = get(), jumping.time()
    await retry.handle(exchange)
    assert [
        (each.endpoint, each.outcome, each.began - began, each.seconds)
        for each in exchange.record.attempt_log
    ] == log


Told = list[tuple[str, str, float]]


def told(exchange: Exchange) -> Told:
    """Server, outcome and seconds of each attempt."""
    return [(each.endpoint, each.outcome, each.seconds) for each in exchange.record.attempt_log]


@pytest.mark.parametrize(
    ("script", "log"),
    [
        (
            [(3, reply(200)), (0.25, ConnectFailed("no")), (9, reply(200))],
            [("s2", "connect-failure", 0.25), ("s3", "hedged", 1.0), ("s1", "200", 3.0)],
        ),
        (
            [(1.5, reply(503)), (1.5, reply(200))],
            [("s1", "503", 1.5), ("s2", "200", 1.5)],
        ),
        (
            [(1.5, ConnectionTerminated("no")), (1.5, reply(502))],
            [("s2", "502", 1.5), ("s1", "reset", 1.5)],
        ),
        (
            [(2.5, reply(503)), (0.25, ConnectFailed("no")), (1.5, reply(200))],
            [("s1", "503", 2.5), ("s2", "connect-failure", 0.25), ("s3", "200", 1.5)],
        ),
        (
            [(3, reply(200)), (0.25, ConnectFailed("no")), (0.25, reply(502))],
            [("s2", "connect-failure", 0.25), ("s3", "502", 0.25), ("s1", "200", 3.0)],
        ),
    ],
    ids=["the copy fails", "the first fails", "both fail", "a copy, then the first", "both copies"],
)
async def test_what_has_failed_was_not_overtaken(
    jumping: JumpingLoop, script: Any, log: Told
) -> None:
    exchange = get()
    with contextlib.suppress(ConnectionTerminated):
        await hedge(Servers(*script), max=1).handle(exchange)
    assert told(exchange) == log
    assert exchange.record.hedged
    assert [each.hedged for each in exchange.record.attempt_log] == [True] * (len(log) - 1) + [
        False
    ]


async def test_copies_of_a_request_whose_client_leaves_are_attempts(jumping: JumpingLoop) -> None:
    exchange = get()
    task = asyncio.create_task(hedge(Servers((9, reply()), (9, reply()))).handle(exchange))
    await asyncio.sleep(1.5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert told(exchange) == [("s2", "abandoned", 0.5)]
    assert exchange.record.attempt_count == 2  # what comes of itself is told by its end


async def test_one_that_had_failed_by_then_is_told_too(jumping: JumpingLoop) -> None:
    exchange = get()
    task = asyncio.create_task(hedge(Servers((1.25, reply(503)), (9, reply()))).handle(exchange))
    await asyncio.sleep(1.5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert told(exchange) == [("s1", "503", 1.25), ("s2", "abandoned", 0.5)]


async def test_a_copy_that_was_never_sent_is_none(jumping: JumpingLoop) -> None:
    """It still waited for a permit."""

    class Crowded(Servers):
        async def __call__(self, exchange: Exchange) -> Reply:
            if exchange.record.attempt_log:
                await asyncio.sleep(9)
            return await super().__call__(exchange)

    exchange, hedging = get(), hedge(Crowded((2, reply())))
    await hedging.handle(exchange)
    assert [each.outcome for each in exchange.record.attempt_log] == ["not-attempted", "200"]
    assert exchange.record.attempt_count == 1
    assert hedging.copies["sent"] == 0


@pytest.mark.parametrize(
    ("first", "second", "counts"),
    [
        ((9, reply()), (0.5, reply()), {"sent": 1, "won": 1}),
        ((1.5, reply()), (9, reply()), {"sent": 1}),
        ((1.5, reply()), (0.25, ConnectFailed("no")), {"sent": 1}),
    ],
    ids=["it wins", "it loses", "it fails"],
)
async def test_a_copy_that_was_sent_counts_once(
    jumping: JumpingLoop, first: Any, second: Any, counts: dict[str, int]
) -> None:
    hedging = hedge(Servers(first, second), max=1, delay="1s")
    await hedging.handle(get())
    assert {name: number for name, number in hedging.copies.items() if number} == counts


async def test_a_copy_is_told_of_those_that_have_ended(jumping: JumpingLoop) -> None:
    """With what they came to, as what balances looks at it."""
    seen: list[list[tuple[str, str]]] = []
    servers = Servers((9, reply()), (0.25, ConnectFailed("no")), (0.5, reply()))

    async def sees(exchange: Exchange) -> Reply:
        log = exchange.record.attempt_log
        seen.append([(each.endpoint, each.outcome) for each in log])
        return await servers(exchange)

    await hedge(sees, max=1).handle(get())
    assert seen == [[], [("s1", "hedged")], [("s1", "hedged"), ("s2", "connect-failure")]]


@pytest.mark.parametrize(
    ("own", "second", "log"),
    [
        (9.0, 0.25, [("s1", "hedged", 1.25), ("s2", "401", 0.125), ("s2", "200", 0.25)]),
        (1.5, 9.0, [("s2", "401", 0.125), ("s2", "hedged", 0.5), ("s1", "200", 1.5)]),
    ],
    ids=["the copy wins", "the copy loses"],
)
async def test_what_a_copy_has_logged_itself_is_told(
    jumping: JumpingLoop, own: float, second: float, log: Told
) -> None:
    """A key that was refused: another one follows within the same attempt of the call."""
    servers = Servers((own, reply()), (second, reply()))

    async def refused(exchange: Exchange) -> Reply:
        if exchange.record.attempt_log:
            exchange.record.attempt_count += 1
            exchange.record.log_attempt("s2", "401", loop_clock()() - 0.125, loop_clock()())
        return await servers(exchange)

    exchange = get()
    await hedge(refused).handle(exchange)
    assert told(exchange) == log
    assert exchange.record.attempt_count == 3
    assert not exchange.record.is_unlogged


async def test_a_copy_goes_on_where_the_request_itself_finds_no_connection(
    jumping: JumpingLoop,
) -> None:
    """Its server is at its limit; the one of the copy is not."""
    servers = Servers((2, ServerAtLimit()), (3, reply()))
    exchange, began = get(), jumping.time()
    assert (await hedge(servers, max=1).handle(exchange)).status == 200
    assert (jumping.time() - began, servers.stopped) == (4, [])
    assert told(exchange) == [("s1", "not-attempted", 2.0), ("s2", "200", 3.0)]
