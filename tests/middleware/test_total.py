"""The bound on the whole exchange."""

import asyncio

import pytest

from proxy.core.errors import ReplyStalled, ResponseTimeout
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.middleware.deadline.deadline import Deadline
from proxy.middleware.deadline.options import DeadlineOptions
from proxy.middleware.total import Total
from tests.support.loop import JumpingLoop, Script, get, loop_clock, reply


async def test_total_ends_what_takes_longer_than_the_exchange_may(jumping: JumpingLoop) -> None:
    exchange = get()
    with pytest.raises(ResponseTimeout):
        await Total(Script((9, reply(200))), 5).handle(exchange)
    assert jumping.time() == exchange.started_at + 5


async def held(exchange: Exchange) -> Reply:
    """The head of a reply has come, which is held until it is whole."""
    exchange.record.attempt_count = 1
    exchange.record.first_byte_at = exchange.started_at + 1
    await asyncio.sleep(9)
    return reply(200)


async def test_of_a_reply_that_has_begun_it_is_not_said_that_none_came(
    jumping: JumpingLoop,
) -> None:
    with pytest.raises(ReplyStalled, match="the reply was not complete within total of 5 s"):
        await Total(held, 5).handle(get())
    exchange = get(headers=[(b"X-Request-Timeout-Ms", b"2000")])
    with pytest.raises(ReplyStalled, match="not complete within the client's deadline of 2 s"):
        await Deadline(held, DeadlineOptions(), clock=loop_clock()).handle(exchange)


async def test_total_leaves_the_deadline_for_the_relay_to_watch(jumping: JumpingLoop) -> None:
    exchange = get()
    await Total(Script((4, reply(200))), 5).handle(exchange)
    assert exchange.deadline == exchange.started_at + 5


async def test_what_is_in_time_passes(jumping: JumpingLoop) -> None:
    answer = reply(200)
    assert await Total(Script((4, answer)), 5).handle(get()) is answer


async def test_total_leaves_a_client_that_has_a_deadline_of_its_own_alone(
    jumping: JumpingLoop,
) -> None:
    """`Deadline` has counted ``total`` in already."""
    exchange, answer = get(), reply(200)
    until = exchange.deadline = exchange.started_at + 60
    assert await Total(Script((9, answer)), 5).handle(exchange) is answer
    assert exchange.deadline == until
