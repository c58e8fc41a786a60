"""How long a copy is waited for."""

from functools import partial

import pytest

from proxy.core.outcome import repeatable
from proxy.middleware.hedge.hedge import Hedge
from proxy.middleware.hedge.options import HedgeOptions
from proxy.middleware.retry.options import RetryOptions
from tests.support.loop import JumpingLoop, Script, get, loop_clock, reply, upload


def hedged(script: Script) -> Hedge:
    return Hedge(
        script,
        HedgeOptions(budget_percent=0),
        lambda: True,
        partial(repeatable, rules=RetryOptions()),
        RetryOptions().keep,
        records_outcome=True,
        clock=loop_clock(),
    )


@pytest.mark.parametrize(
    ("slow", "delay"),
    [
        (0, 0.1),
        (2, 0.1),  # 2 % take ten seconds: 95 % take a tenth of one
        (10, 0.6),  # the quantile is what the slow ones take: six times the median at most
    ],
)
async def test_a_delay_does_not_run_away_with_the_quantile(
    jumping: JumpingLoop, slow: int, delay: float
) -> None:
    times = [10.0] * slow + [0.1] * (100 - slow)
    hedge = hedged(Script(*[(seconds, reply()) for seconds in times]))
    assert hedge.delay(jumping.time()) is None
    for _ in times:
        await hedge.handle(get())
    assert hedge.delay(jumping.time()) == pytest.approx(delay, rel=0.1)


async def test_a_delay_has_no_slow_uploads_in_it(jumping: JumpingLoop) -> None:
    hedge = hedged(Script(*[(9.1, reply()) for _ in range(100)]))
    for _ in range(100):
        await hedge.handle(upload((0, 9)))
    assert hedge.delay(jumping.time()) == pytest.approx(0.1, rel=0.1)
