"""What all routes to an upstream share of its limit."""

import asyncio
from collections.abc import Callable

import pytest

from proxy.core.exchange import Exchange
from proxy.core.reply import Ending, Reply
from proxy.middleware.concurrency.concurrency import link
from proxy.middleware.concurrency.options import ConcurrencyOptions, QueueOptions
from proxy.middleware.concurrency.upstream_limit import HeadTimes, UpstreamLimit
from proxy.net.loop_turns import LoopTurns
from proxy.policy.queue import Waiter
from tests.support.busy_loop import Blind, BusyLoop, no_turns
from tests.support.loop import JumpingLoop, Script, get, reply
from tests.support.proxy import parsed
from tests.support.samples import told
from tests.support.scope import upstream_scope

ONE_PERMIT = '[concurrency]\nmax_requests = 1\n[[upstreams]]\nname = "a"\nservers = ["http://a"]\n'


async def test_there_is_headroom_while_a_permit_is_free(jumping: JumpingLoop) -> None:
    scope = upstream_scope(parsed(ONE_PERMIT))
    found = []

    async def upstream(_: Exchange) -> Reply:
        found.append([has_headroom() for has_headroom in scope.has_headroom])
        return reply()

    handler = link(scope, upstream)
    assert handler is not None
    await handler(get())
    assert found == [[False]]
    assert [has_headroom() for has_headroom in scope.has_headroom] == [True]


async def test_two_routes_share_the_permits(jumping: JumpingLoop) -> None:
    scope = upstream_scope(parsed(ONE_PERMIT))
    assert link(scope, Script()) is not None
    assert link(scope, Script()) is not None
    assert len(scope.shared.watched) == 1


class Held:
    """A request with a permit, whose client has not moved for long."""

    key = b"slow"

    def stalls(self, now: float) -> bool:
        return True

    def abandoned(self, now: float, since: float) -> bool:
        return False

    def cut(self) -> None:
        raise AssertionError("a permit is free")


def test_operators_see_who_waits_for_how_long_and_what_is_lent() -> None:
    limit = UpstreamLimit(ConcurrencyOptions(max_requests=2), QueueOptions(key="path"))
    held = Held()
    assert limit.limiter.try_acquire(held.key)
    assert limit.limiter.try_acquire(b"/a")
    limit.loans.begin(held)
    for since in (5.0, 7.0):
        assert limit.limiter.enqueue(Waiter(b"/a", 3, lambda _: True, since))
    assert told(limit, 10.0) == {
        "concurrency_limit": 2,
        "concurrency_in_flight": 2,
        "concurrency_waiting": 2,
        "concurrency_key_waiting /a": 2,
        "concurrency_key_longest_seconds /a": 5.0,
        "concurrency_finished_per_second": 0.0,
        "concurrency_refused": 0,
        "concurrency_evicted": 0,
        "concurrency_timed_out": 0,
        "concurrency_lent": 0,
    }
    limit.loans.look(10.0)
    seen = told(limit, 10.0)
    assert (seen["concurrency_lent"], seen["concurrency_waiting"]) == (1, 1)


def adaptive() -> tuple[UpstreamLimit, HeadTimes]:
    limit = UpstreamLimit(
        ConcurrencyOptions(max_requests=100, adaptive="gradient", min=1), QueueOptions()
    )
    return limit, HeadTimes(limit, None, no_turns())


async def test_a_limit_that_has_grown_lets_those_in_that_wait(jumping: JumpingLoop) -> None:
    limit, times = adaptive()
    limiter = limit.limiter
    first = limiter.limit
    while limiter.try_acquire(None):
        pass
    heard: list[bool] = []

    def notified(through: bool) -> bool:
        heard.append(through)
        return True

    for _ in range(first):
        assert limiter.enqueue(Waiter(None, 3, notified))
    now = 0.0
    while limiter.limit == first and now < 1000.0:
        now += 1.0
        times.observe(get(), 0.1, now, reply())
    low = limiter.limit  # in the second round, which shows whether the first was slowed already
    assert low < first
    while limiter.in_flight > low:
        limiter.release(None, now)
    assert not heard
    while limiter.limit == low and now < 2000.0:
        now += 1.0
        times.observe(get(), 0.1, now, reply())
    assert limiter.limit > low
    assert heard == [True] * (limiter.limit - low)


@pytest.mark.parametrize(("seconds", "counts"), [(0.05, False), (0.5, True)])
async def test_a_client_that_left_counts_once_it_has_waited_for_longer_than_usual(
    jumping: JumpingLoop, seconds: float, counts: bool
) -> None:
    limit, times = adaptive()
    assert limit.gradient is not None
    times.observe(get(), 0.1, 1.0, reply())
    before = limit.gradient._n
    times.observe(get(), seconds, 100.0, asyncio.CancelledError())
    assert (limit.gradient._n > before) is counts


def test_a_limit_that_has_moved_far_is_told_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    limit = UpstreamLimit(ConcurrencyOptions(max_requests=100))
    limit.upstream = "api"
    for now, value in ((0.0, 90), (0.0, 79), (5.0, 40), (10.0, 39), (11.0, 38)):
        limit.limiter.limit = value
        limit.moved(now)
    told = [(r.event, r.upstream, r.before, r.after) for r in caplog.records]  # type: ignore[attr-defined]
    assert told == [("limit_moved", "api", 100, 79), ("limit_moved", "api", 79, 39)]


ADAPTIVE = """
[concurrency]
adaptive = "gradient"
[queue]
[[upstreams]]
name = "a"
servers = ["http://a"]
"""


@pytest.mark.parametrize(("turns", "grows"), [(1, True), (2, True), (3, False)])
async def test_a_limit_grows_while_answers_come_within_two_turns_of_the_loop(
    jumping: JumpingLoop, turns: int, grows: bool
) -> None:
    """The more a turn has to do, the longer it takes, and with it what is seen after it."""
    scope = upstream_scope(parsed(ADAPTIVE))
    under_way = most = 0

    async def upstream(_exchange: Exchange) -> Reply:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _turn in range(turns):
            jumping.move(0.0005)
            await asyncio.sleep(0)
        under_way -= 1
        return reply()

    handler = link(scope, upstream)
    assert handler is not None

    async def client() -> None:
        for _ in range(50):
            (await handler(get())).close(Ending.COMPLETE)

    await asyncio.gather(*(client() for _ in range(64)))
    assert (most > 48) is grows


def test_a_request_alone_is_spared_the_turns() -> None:
    soon: list[Callable[[], None]] = []
    limit, _ = adaptive()
    times = HeadTimes(limit, None, LoopTurns(soon.append, lambda: 0.0))
    for _ in range(8):
        limit.limiter.try_acquire(None)
        times.begin(0.0)
    assert not soon
    limit.limiter.try_acquire(None)
    times.begin(0.0)
    assert len(soon) == 1


def test_where_the_proxy_is_what_answers_wait_for_the_limit_is_that_of_nobody() -> None:
    assert BusyLoop(1000, 50e-6, turns=Blind).run(2.0).settled() < 8
    assert BusyLoop(1000, 50e-6).run(2.0).settled() > 50


@pytest.mark.parametrize(
    ("service", "other"), [(0.05, 0.0), (0.05, 0.005), (0.02, 0.005), (0.002, 0.0)]
)
def test_a_busy_loop_hides_no_api_that_takes_several_of_its_turns(
    service: float, other: float
) -> None:
    seconds = 600 * service
    blind = BusyLoop(10, service, other=other, turns=Blind).run(seconds)
    sees = BusyLoop(10, service, other=other).run(seconds)
    assert sees.answers > 0.97 * blind.answers
    assert sees.settled() == pytest.approx(10, rel=0.15)


@pytest.mark.parametrize(("service", "other"), [(0.005, 0.005), (0.02, 0.02), (0.001, 0.002)])
def test_what_takes_no_longer_than_two_turns_is_given_as_much_as_takes_two(
    service: float, other: float
) -> None:
    """Permits wait for the loop as well, so the API does more and not less."""
    blind = BusyLoop(10, service, other=other, turns=Blind).run(1000 * service)
    sees = BusyLoop(10, service, other=other).run(1000 * service)
    assert sees.answers > blind.answers
    assert sees.settled() < 10 * 2 * (other + 0.002) / service + 10


def test_what_is_refused_counts_though_it_comes_at_once() -> None:
    run = BusyLoop(1000, 50e-6, refuses=20).run(4.0)
    assert run.refused < 0.01 * run.answers
    assert run.settled() < 16


def test_refusals_lower_a_limit_however_short_its_rounds_are() -> None:
    """Of 3,000 answers a second, each round moves the limit within a tenth of a second."""
    run = BusyLoop(1000, 0.005, refuses=20, turns=Blind).run(10.0)
    assert run.refused < 0.5 * run.answers
