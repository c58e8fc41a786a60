"""How long a copy is waited for."""

from functools import partial

import pytest

from proxy.core.outcome import repeatable
from proxy.middleware.hedge.hedge import Hedge
from proxy.middleware.hedge.options import HedgeOptions
from proxy.middleware.retry.options import RetryOptions
from tests.support.loop import JumpingLoop, Script, get, loop_clock, reply


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
    script = Script(*[(seconds, reply()) for seconds in times])
    may = partial(repeatable, rules=RetryOptions())
    hedge = Hedge(
        script,
        HedgeOptions(budget_percent=0),
        lambda: True,
        may,
        RetryOptions().keep,
        records_outcome=True,
        clock=loop_clock(),
    )
    assert hedge.delay(jumping.time()) is None
    for _ in times:
        await hedge.handle(get())
    assert hedge.delay(jumping.time()) == pytest.approx(delay, rel=0.1)
