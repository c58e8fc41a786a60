"""What is learned of how long answers take."""

from proxy.middleware.hedge.hedge import Hedge
from proxy.middleware.hedge.options import HedgeOptions
from tests.support.loop import JumpingLoop, Script, get, loop_clock, reply


async def test_failures_say_nothing_of_how_long_answers_take(jumping: JumpingLoop) -> None:
    inner = Hedge(
        Script(*[(1, reply(500))] * 30, *[(1, reply())] * 20),
        HedgeOptions(delay="p95"),
        lambda: True,
        lambda _: True,
        lambda _: None,
        records_outcome=True,
        clock=loop_clock(),
    )
    for _ in range(49):
        await inner.handle(get())
    assert inner.delay(jumping.time()) is None
    await inner.handle(get())
    assert inner.delay(jumping.time()) == 1.0
