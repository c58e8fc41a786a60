"""The bound on one attempt, while another may follow."""

import asyncio
import math
from collections.abc import Callable, Sequence

import pytest

from proxy.core.duration import Duration
from proxy.core.errors import (
    AttemptTimeout,
    ConnectionTerminated,
    ConnectTimeout,
    Stage,
    UpstreamError,
)
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.middleware.per_try import AttemptClock, PerTry
from proxy.middleware.retry.may_repeat import MayFollow
from proxy.middleware.retry.options import RetryOptions
from proxy.policy.attempt_bound import AttemptBound
from proxy.policy.budget import Budget
from tests.support.loop import JumpingLoop, Script, get, loop_clock, reply, upload


def always(_: Exchange) -> bool:
    return True


def sent(exchange: Exchange) -> Exchange:
    """One whose attempts have a connection."""
    exchange.record.connect_s = 0.0
    return exchange


def never(_: Exchange) -> bool:
    return False


def bounded(
    seconds: float, may_follow: Callable[[Exchange], bool], usual: AttemptBound | None = None
) -> AttemptClock:
    return AttemptClock(seconds, may_follow, usual, budget=Budget(20, 3, 10), clock=loop_clock())


async def test_what_is_in_time_passes(jumping: JumpingLoop) -> None:
    answer = reply(200)
    assert await PerTry(Script((4, answer)), bounded(5, always)).handle(get()) is answer


@pytest.mark.parametrize(
    ("connected", "error", "stage", "what"),
    [
        (None, ConnectTimeout, Stage.NOT_SENT, "no connection to http://a within per_try of 5 s"),
        (0.1, AttemptTimeout, Stage.SENT, "no reply within per_try of 5 s"),
    ],
)
async def test_per_try_says_how_far_the_attempt_had_come(
    jumping: JumpingLoop,
    connected: float | None,
    error: type[UpstreamError],
    stage: Stage,
    what: str,
) -> None:
    async def inner(exchange: Exchange) -> Reply:
        exchange.record.connect_s, exchange.record.endpoint = connected, "http://a"
        return await Script((9, reply(200)))(exchange)

    begun = jumping.time()
    with pytest.raises(error) as caught:
        await PerTry(inner, bounded(5, always)).handle(get())
    assert (caught.value.stage, caught.value.clock) == (stage, "per_try")
    assert caught.value.detail == what
    assert jumping.time() - begun == pytest.approx(5)


async def test_an_attempt_that_nothing_may_follow_goes_on(jumping: JumpingLoop) -> None:
    answer = reply(200)
    assert await PerTry(Script((9, answer)), bounded(5, never)).handle(get()) is answer


async def test_what_may_follow_is_asked_when_the_time_is_over(jumping: JumpingLoop) -> None:
    asked: list[float] = []

    def may_follow(_: Exchange) -> bool:
        asked.append(jumping.time())
        return True

    begun = jumping.time()
    with pytest.raises(AttemptTimeout):
        await PerTry(Script((9, reply())), bounded(5, may_follow)).handle(sent(get()))
    assert asked == [pytest.approx(begun + 5)]


@pytest.mark.parametrize("clocks", [1, 3])
async def test_of_many_that_are_due_at_once_no_more_end_than_can_be_tried_again(
    jumping: JumpingLoop, clocks: int
) -> None:
    budget, clock = Budget(0, 0.2, 10), loop_clock()  # two in the window
    may_follow = MayFollow(RetryOptions(), budget, clock)
    bounds = [AttemptClock(5, may_follow, budget=budget, clock=clock) for _ in range(clocks)]

    async def ask(number: int) -> str:
        exchange = get()
        exchange.record.attempts_left, exchange.record.connect_s = 2, 0.0
        try:
            await PerTry(Script((9, reply())), bounds[number % clocks]).handle(exchange)
        except AttemptTimeout:
            return "again" if budget.spend(clock()) else "neither answered nor tried again"
        return "answered"

    ends = [await each for each in [asyncio.ensure_future(ask(number)) for number in range(30)]]
    assert sorted(ends) == ["again"] * 2 + ["answered"] * 28


async def test_what_was_laid_aside_for_a_client_that_leaves_in_that_moment_is_there_again(
    jumping: JumpingLoop,
) -> None:
    budget, clock = Budget(0, 0.1, 10), loop_clock()
    bound = AttemptClock(5, always, budget=budget, clock=clock)
    task = asyncio.create_task(PerTry(Script((60, reply())), bound).handle(get()))
    await asyncio.sleep(0)
    jumping.call_later(5, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert budget.available(clock()) == 1


async def test_one_that_went_on_still_fails_and_can_be_cancelled(jumping: JumpingLoop) -> None:
    clock = bounded(5, never)
    with pytest.raises(ConnectionTerminated):
        await PerTry(Script((9, ConnectionTerminated())), clock).handle(get())
    task = asyncio.create_task(PerTry(Script((9, reply())), clock).handle(get()))
    await asyncio.sleep(6)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def ends_of(
    jumping: JumpingLoop, may_follow: MayFollow, count: int, bound: float = 5
) -> list[float]:
    """When each of some attempts was ended that begin together; inf for one that was answered."""
    clock, begun = loop_clock(), jumping.time()
    bounds = AttemptClock(
        bound,
        may_follow,
        may_follow_later=may_follow.with_server,
        budget=Budget(0, 3, 10),
        clock=clock,
    )

    async def ask() -> float:
        exchange = get()
        exchange.record.attempts_left, exchange.record.connect_s = 2, 0.0
        exchange.record.attempt_began_at = clock()
        try:
            await PerTry(Script((60, reply())), bounds).handle(exchange)
        except AttemptTimeout:
            return round(jumping.time() - begun, 3)
        return math.inf

    return await asyncio.gather(*(ask() for _ in range(count)))


async def test_where_only_a_server_is_lacking_it_is_asked_again(jumping: JumpingLoop) -> None:
    begun = jumping.time()
    asked: list[float] = []

    def has_server_left(_: Exchange) -> bool:
        asked.append(round(jumping.time() - begun, 3))
        return asked[-1] >= 9

    may_follow = MayFollow(RetryOptions(), Budget(0, 3, 10), loop_clock(), [has_server_left])
    assert await ends_of(jumping, may_follow, 2) == [9, 9]
    assert asked == [5, 5, 6, 6, 7, 7, 8, 8, 9, 9]


async def test_it_is_not_asked_again_where_nothing_may_follow_even_so(
    jumping: JumpingLoop,
) -> None:
    asked: list[float] = []

    def has_server_left(_: Exchange) -> bool:
        asked.append(jumping.time())
        return False

    options = RetryOptions(only_if_failed_within=Duration(7))
    may_follow = MayFollow(options, Budget(0, 3, 10), loop_clock(), [has_server_left])
    assert await ends_of(jumping, may_follow, 1) == [math.inf]
    assert len(asked) == 3  # after 5, 6 and 7 seconds


async def test_auto_does_not_take_a_wait_for_a_server_for_a_slow_attempt(
    jumping: JumpingLoop,
) -> None:
    usual, budget, clock = AttemptBound(), Budget(20, 3, 10), loop_clock()
    until = jumping.time() + 60 + 90
    bound = AttemptClock(
        0, lambda _: jumping.time() > until, usual, always, budget=budget, clock=clock
    )
    for _ in range(30):
        await PerTry(Script((2, reply())), bound).handle(get())
    lost = [PerTry(Script((200, reply())), bound).handle(get()) for _ in range(5)]
    await asyncio.gather(*lost, return_exceptions=True)
    await PerTry(Script((2, reply())), bound).handle(get())
    assert bound.seconds == pytest.approx(8)


async def test_auto_bounds_nothing_until_enough_is_known(jumping: JumpingLoop) -> None:
    clock = bounded(0, always, AttemptBound())
    assert clock.seconds == math.inf
    assert (await PerTry(Script((900, reply(200))), clock).handle(get())).status == 200


async def test_auto_follows_what_attempts_take(jumping: JumpingLoop) -> None:
    clock = bounded(0, always, AttemptBound())
    for _ in range(30):
        await PerTry(Script((2, reply())), clock).handle(get())
    assert clock.seconds == pytest.approx(8)
    for _ in range(30):  # refusals are no answers, however fast they are
        await PerTry(Script(reply(503)), clock).handle(get())
    assert clock.seconds == pytest.approx(8)
    begun = jumping.time()
    with pytest.raises(AttemptTimeout):
        await PerTry(Script((60, reply())), clock).handle(sent(get()))
    assert jumping.time() - begun == pytest.approx(8)


async def test_a_bound_that_becomes_shorter_concerns_what_is_under_way(
    jumping: JumpingLoop,
) -> None:
    clock = bounded(0, always, AttemptBound())
    stalled = asyncio.create_task(PerTry(Script((60, reply())), clock).handle(sent(get())))
    begun = jumping.time()
    for _ in range(20):
        await PerTry(Script((0.1, reply())), clock).handle(get())
    with pytest.raises(AttemptTimeout):
        await stalled
    assert jumping.time() - begun == pytest.approx(2, abs=0.1)


async def test_the_time_that_the_client_is_waited_for_does_not_count(
    jumping: JumpingLoop,
) -> None:
    answer = reply(200)
    exchange = upload((0, 9))
    assert await PerTry(Script((13, answer)), bounded(5, always)).handle(exchange) is answer


@pytest.mark.parametrize(
    ("spans", "ends"),
    [
        (((0, 2),), 7),  # then the server does not take what it is sent, or does not answer
        (((0, 9),), 14),
        (((0, 1), (2, 3), (6, 8)), 9),
        (((-60, -1),), 5),  # while an attempt before was under way
        (((-60, 1),), 6),
    ],
)
async def test_a_server_is_timed_while_the_client_is_not_waited_for(
    jumping: JumpingLoop, spans: Sequence[tuple[float, float]], ends: float
) -> None:
    begun = jumping.time()
    with pytest.raises(AttemptTimeout):
        await PerTry(Script((99, reply())), bounded(5, always)).handle(sent(upload(*spans)))
    assert ends <= jumping.time() - begun <= ends + 5 / 16


async def test_auto_learns_nothing_of_how_long_clients_take(jumping: JumpingLoop) -> None:
    clock = bounded(0, always, AttemptBound())
    for _ in range(30):
        await PerTry(Script((9, reply())), clock).handle(upload((0, 7)))
    assert clock.seconds == pytest.approx(8)
    with pytest.raises(AttemptTimeout):
        await PerTry(Script((90, reply())), clock).handle(sent(upload((0, 7))))
    for _ in range(30):
        await PerTry(Script((2, reply())), clock).handle(upload((0, 0)))
    assert clock.seconds == pytest.approx(8)
