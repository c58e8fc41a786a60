"""The bound on one attempt."""

import pytest

from proxy.core.errors import ResponseTimeout, Stage
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.middleware.per_try import PerTry
from tests.support.loop import JumpingLoop, Script, get, reply


async def test_what_is_in_time_passes(jumping: JumpingLoop) -> None:
    answer = reply(200)
    assert await PerTry(Script((4, answer)), 5).handle(get()) is answer


@pytest.mark.parametrize(("connected", "stage"), [(None, Stage.NOT_SENT), (0.1, Stage.SENT)])
async def test_per_try_says_how_far_the_attempt_had_come(
    jumping: JumpingLoop, connected: float | None, stage: Stage
) -> None:
    async def inner(exchange: Exchange) -> Reply:
        exchange.record.connect_s = connected
        return await Script((9, reply(200)))(exchange)

    with pytest.raises(ResponseTimeout) as caught:
        await PerTry(inner, 5).handle(get())
    assert caught.value.stage is stage
