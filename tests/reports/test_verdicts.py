"""What an attempt came to is decided once, and quick failures are no fast answers."""

import heapq
import random
from collections.abc import Callable
from itertools import count

import pytest

from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.middleware.concurrency import concurrency
from proxy.middleware.concurrency.options import ConcurrencyOptions
from proxy.middleware.concurrency.upstream_limit import HeadTimes, UpstreamLimit
from tests.support.busy_loop import no_turns
from tests.support.loop import Script, get, reply
from tests.support.proxy import parsed
from tests.support.scope import upstream_scope

Answer = Callable[[random.Random, int], tuple[Exchange, float, Reply]]
"""What one of so many requests under way comes to: seconds and reply."""


def limit_after(answer: Answer, *, demand: int, requests: int, seed: int = 1) -> float:
    """The mean limit over the last third, where so many clients ask as fast as they may."""
    rng = random.Random(seed)
    limit = UpstreamLimit(ConcurrencyOptions(min=4, max_requests=10_000, adaptive="gradient"))
    limiter = limit.limiter
    watch = HeadTimes(limit, None, no_turns())
    turn = count()
    now = 0.0
    due: list[tuple[float, int, float, Exchange, Reply]] = []
    limits = []
    for number in range(requests):
        while limiter.in_flight < min(limiter.limit, demand):
            limiter.try_acquire(None)
            exchange, seconds, came = answer(rng, limiter.in_flight)
            heapq.heappush(due, (now + seconds, next(turn), now, exchange, came))
        now, _, began, exchange, came = heapq.heappop(due)
        watch.observe(exchange, now - began, now, came)
        limiter.release(None, now)
        if number > requests * 2 // 3:
            limits.append(min(limiter.limit, demand))
    return sum(limits) / len(limits)


GOOD, LATER, BAD = reply(200), reply(429), reply(500)


def mixed(share: float, quick: Reply) -> Answer:
    """An API with room for all; some answers are quick and no answers."""

    def answer(rng: random.Random, _: int) -> tuple[Exchange, float, Reply]:
        if rng.random() < share:
            return get(), 0.005, quick
        return get(), rng.uniform(0.09, 0.11), GOOD

    return answer


def paths(slow: float) -> Answer:
    """An API with room for all, one path in ten of which is slow."""

    def answer(rng: random.Random, _: int) -> tuple[Exchange, float, Reply]:
        number = rng.randrange(10)
        seconds = (slow if number == 0 else 0.05) * rng.uniform(0.9, 1.1)
        return (
            Exchange("GET", b"/%d" % number, [], b"/%d" % number, path=f"/{number}"),
            seconds,
            GOOD,
        )

    return answer


def crowded(share: float, capacity: int, quick: Reply) -> Answer:
    """An API that takes the longer the more it is asked at a time; some answers are quick."""

    def answer(rng: random.Random, under_way: int) -> tuple[Exchange, float, Reply]:
        if rng.random() < share:
            return get(), 0.002, quick
        return get(), 0.1 * max(1.0, under_way / capacity) * rng.uniform(0.9, 1.1), GOOD

    return answer


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    "answer",
    [mixed(0.03, LATER), mixed(0.1, BAD), mixed(0.5, BAD), paths(0.5), paths(2.0)],
    ids=["3 % of 429", "10 % of 500", "50 % of 500", "a slow path", "a very slow path"],
)
def test_an_api_with_room_is_given_all_that_there_is(answer: Answer, seed: int) -> None:
    assert limit_after(answer, demand=690, requests=40_000, seed=seed) > 620


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3])
def test_quick_failures_do_not_move_the_limit_of_an_api_without_room(share: float) -> None:
    found = limit_after(crowded(share, 60, BAD), demand=1000, requests=30_000)
    assert 45 < found < 200


def test_an_api_that_refuses_much_is_asked_less() -> None:
    def answer(rng: random.Random, under_way: int) -> tuple[Exchange, float, Reply]:
        if under_way > 50:
            return get(), 0.002, LATER
        return get(), rng.uniform(0.09, 0.11), GOOD

    assert limit_after(answer, demand=1000, requests=30_000) < 80


@pytest.mark.parametrize("most", [1, 2, 4])
async def test_a_small_limit_needs_no_other_option(most: int) -> None:
    """Of a limit of one there is nothing to find; it stays what it is."""
    config = parsed(
        f'[concurrency]\nmax_requests = {most}\nadaptive = "gradient"\n'
        '[[upstreams]]\nname = "api"\nservers = ["http://a"]'
    )
    script = Script(*[reply(status) for status in (200, 429, 503, 200) * 50])
    scope = upstream_scope(config)
    handle = concurrency.link(scope, script)
    assert handle is not None
    [watched] = scope.shared.watched
    assert isinstance(watched.thing, UpstreamLimit)
    limiter = watched.thing.limiter
    for _ in range(200):
        await handle(get())
        assert 1 <= limiter.limit <= most
        assert limiter.in_flight == 0
