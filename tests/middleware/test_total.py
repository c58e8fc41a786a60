"""The bound on the whole exchange."""

import pytest

from proxy.core.errors import ResponseTimeout
from proxy.middleware.total import Total
from tests.support.loop import JumpingLoop, Script, get, reply


async def test_total_ends_what_takes_longer_than_the_exchange_may(jumping: JumpingLoop) -> None:
    exchange = get()
    with pytest.raises(ResponseTimeout):
        await Total(Script((9, reply(200))), 5).handle(exchange)
    assert jumping.time() == exchange.started_at + 5


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
