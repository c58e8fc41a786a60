"""What is told of the attempts of a hedged call."""

import random
from typing import Any

import pytest

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
