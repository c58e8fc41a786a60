"""What is tried again without being asked for, at what cost."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from proxy.core.duration import Duration
from proxy.core.errors import (
    AttemptTimeout,
    ConnectFailed,
    ConnectionTerminated,
    ProtocolViolation,
    ReplyBroken,
    ResponseTimeout,
    Stage,
)
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.middleware.retry.options import RetryOptions
from proxy.middleware.retry.retry import Retry
from proxy.policy.budget import Budget
from tests.middleware.retry.test_retry import retry
from tests.support.loop import JumpingLoop, Script, get, loop_clock, post, reply, settle


def moved_on(error: ConnectFailed) -> ConnectFailed:
    """The same, where another server may be asked at once."""
    error.alternative_ready = True
    return error


@pytest.mark.parametrize("exchange", [get, post])
async def test_what_was_not_sent_goes_elsewhere_at_once_and_for_free(
    jumping: JumpingLoop, exchange: Callable[[], Exchange]
) -> None:
    script = Script(moved_on(ConnectFailed()), reply())
    handle = retry(script, budget=Budget(0, 0, 10), backoff_base=Duration(9))
    assert (await handle(exchange())).status == 200
    assert script.times[0] == script.times[1]


async def test_without_another_server_it_waits_and_costs_the_budget(jumping: JumpingLoop) -> None:
    script = Script(ConnectFailed())
    with pytest.raises(ConnectFailed):
        await retry(script, budget=Budget(0, 0, 10))(get())
    assert script.sends == 1


@pytest.mark.parametrize(("exchange", "sends"), [(get, 2), (post, 1)])
async def test_what_took_longer_than_per_try_is_tried_again_whatever_on_says(
    jumping: JumpingLoop, exchange: Callable[[], Exchange], sends: int
) -> None:
    script = Script(AttemptTimeout(stage=Stage.SENT), reply())
    try:
        await retry(script, on=("connect-failure",))(exchange())
    except AttemptTimeout:
        assert sends == 1
    assert script.sends == sends


async def test_each_attempt_knows_how_many_may_follow(jumping: JumpingLoop) -> None:
    left: list[int] = []

    async def inner(exchange: Exchange) -> Reply:
        left.append(exchange.record.attempts_left)
        raise ConnectionTerminated(stage=Stage.SENT)

    handle = retry(Script(inner, inner, inner), attempts=3)
    with pytest.raises(ConnectionTerminated):
        await handle(get())
    assert left == [2, 1, 0]


async def test_all_statuses_of_a_kind_can_be_named_at_once(jumping: JumpingLoop) -> None:
    script = Script(reply(503), reply(599), reply(200))
    assert (await retry(script, on=("5xx",))(get())).status == 200


@pytest.mark.parametrize(
    ("failure", "get_sends", "post_sends"),
    [
        (lambda: ConnectionTerminated(stage=Stage.SENT), 2, 1),
        (lambda: ConnectionTerminated(stage=Stage.STALE), 2, 1),
        (ProtocolViolation, 2, 1),
        (ReplyBroken, 2, 1),
        (lambda: reply(502), 2, 1),
        (lambda: reply(503), 2, 1),
        (lambda: reply(504), 2, 1),
        (lambda: reply(500), 1, 1),
        (lambda: reply(429), 1, 1),
        (lambda: ResponseTimeout(stage=Stage.SENT), 1, 1),
        (ConnectFailed, 2, 2),
    ],
)
async def test_by_default_only_what_http_allows_is_tried_again(
    jumping: JumpingLoop, failure: Callable[[], Any], get_sends: int, post_sends: int
) -> None:
    for exchange, sends in ((get(), get_sends), (post(), post_sends)):
        script = Script(failure(), reply())
        handle = Retry(
            script, RetryOptions(), Budget(20, 3, 10), random.Random(1), clock=loop_clock()
        ).handle
        await settle(handle(exchange))
        assert script.sends == sends


@pytest.mark.parametrize(
    ("ready", "wait", "sends"), [(False, "0", 2), (False, "1m", 1), (True, "1m", 2)]
)
async def test_where_somebody_waits_for_a_server_nothing_is_spent_on_one_that_is_gone(
    jumping: JumpingLoop, ready: bool, wait: str, sends: int
) -> None:
    gone = ConnectFailed("gone")
    gone.alternative_ready = ready
    script, budget = Script(gone, reply()), Budget(20, 3, 10)
    options = RetryOptions(wait_for_connect=Duration.parse(wait))
    handle = Retry(script, options, budget, random.Random(1), clock=loop_clock()).handle
    await settle(handle(post()))
    assert script.sends == sends
    assert budget.spent(jumping.time()) == (sends - 1) * (not ready)
