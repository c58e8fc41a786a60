"""A request is refused for want of time only where even the quickest answer takes longer."""

import asyncio

import pytest

from proxy.core.errors import DeadlineTooShort
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.middleware.concurrency import concurrency
from proxy.middleware.deadline.options import DeadlineOptions
from proxy.middleware.deadline.propagation import DeadlinePropagation
from proxy.policy.soonest import Soonest
from tests.support.loop import JumpingLoop, loop_clock, reply, settle
from tests.support.proxy import parsed
from tests.support.scope import upstream_scope


def asked(target: str, left: float | None = None) -> Exchange:
    loop = asyncio.get_running_loop()
    exchange = Exchange(
        "GET", target.encode(), [], target.encode(), path=target, started_at=loop.time()
    )
    exchange.deadline = None if left is None else loop.time() + left
    return exchange


async def server(exchange: Exchange) -> Reply:
    """Quick on /quick, slow on /slow; on /mixed each tenth is quick."""
    seconds = {b"/quick": 0.1, b"/slow": 5.0}.get(exchange.target)
    if seconds is None:
        seconds = 0.1 if exchange.deadline is not None else 5.0
    await asyncio.sleep(seconds)
    return reply()


@pytest.mark.parametrize("target", ["/quick", "/mixed"])
async def test_quick_requests_are_sent_beside_slow_ones(jumping: JumpingLoop, target: str) -> None:
    inner = DeadlinePropagation(server, DeadlineOptions(), clock=loop_clock())
    await asyncio.gather(*[inner.handle(asked("/slow")) for _ in range(200)])
    if target == "/mixed":  # the first that is quick shows it
        await asyncio.gather(*[inner.handle(asked(target)) for _ in range(50)])
        await inner.handle(asked(target, 1.0))
    came = [await settle(inner.handle(asked(target, 1.0))) for _ in range(100)]
    assert all(isinstance(each, Reply) for each in came)
    # What would be too late is refused still, but for one a second.
    late = await asyncio.gather(*[settle(inner.handle(asked("/slow", 1.0))) for _ in range(10)])
    assert sum(isinstance(each, DeadlineTooShort) for each in late) == 9


async def test_quick_requests_wait_for_a_permit_beside_slow_ones(jumping: JumpingLoop) -> None:
    config = parsed(
        '[concurrency]\nmax_requests = 1\n[queue]\n[deadline]\n[[upstreams]]\nname = "api"\n'
        'servers = ["http://a"]'
    )
    handle = concurrency.link(upstream_scope(config), server)
    assert handle is not None
    for _ in range(30):
        await handle(asked("/slow"))
    under_way = asyncio.ensure_future(handle(asked("/quick")))
    await asyncio.sleep(0)
    assert isinstance(await settle(handle(asked("/quick", 1.0))), Reply)
    await under_way
    under_way = asyncio.ensure_future(handle(asked("/quick")))
    await asyncio.sleep(0)
    assert isinstance(await settle(handle(asked("/slow", 1.0))), DeadlineTooShort)
    await under_way


def test_the_quickest_of_the_last_minutes_counts() -> None:
    soonest = Soonest()
    soonest.observe(b"a", 0.1, 0.0)
    for number in range(1000):
        soonest.observe(b"a", 5.0, number / 10)
    assert soonest.value(b"a", 100.0) == 0.1
    soonest.observe(b"a", 5.0, 290.0)
    for number in range(20):
        soonest.observe(b"a", 5.0, 330.0 + number)
    assert soonest.value(b"a", 350.0) == 5.0
    assert soonest.value(b"b", 350.0) is None
    assert soonest.value(b"a", 10_000.0) is None


def test_only_so_many_things_are_known() -> None:
    soonest = Soonest(keys=10)
    for number in range(1000):
        soonest.observe(b"%d" % number, 1.0, 0.0)
    assert len(soonest._known) == 10
