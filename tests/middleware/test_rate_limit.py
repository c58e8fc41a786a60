"""How many requests a client may make."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.duration import Duration
from proxy.core.errors import RateLimited
from proxy.core.exchange import Exchange, Handler
from proxy.core.rate_limit_options import RateLimitOptions
from proxy.core.record import TOKEN, Wait
from proxy.core.reply import Reply
from proxy.middleware.rate_limit import Known, RateLimit
from proxy.policy.token_bucket import TokenBuckets
from tests.support.loop import JumpingLoop, Script, get, loop_clock, reply
from tests.support.message import get as get_bytes
from tests.support.message import length
from tests.support.proxy import fronted
from tests.support.samples import told


def limited(script: Script, **options: Any) -> RateLimit:
    return RateLimit(script, RateLimitOptions(**{"average": 2.0, **options}), clock=loop_clock())


def answers(count: int) -> Script:
    return Script(*(reply() for _ in range(count)))


async def test_who_has_had_his_share_is_told_when_there_is_more(jumping: JumpingLoop) -> None:
    inner = limited(answers(2), average=2.0, period=Duration(10))
    for _ in range(2):
        await inner.handle(get())
    with pytest.raises(RateLimited) as caught:
        await inner.handle(get())
    assert caught.value.retry_after == pytest.approx(5.0)
    assert caught.value.policy == '"default";q=2;w=10'
    assert caught.value.limit == '"default";r=0;t=5'
    assert told(inner) == {
        "rate_limit_refused": 1,
        "rate_limit_waited": 0,
        "rate_limit_keys": 1,
        "rate_limit_left ": 0.0,
    }


async def test_a_short_wait_is_waited(jumping: JumpingLoop) -> None:
    inner = limited(answers(3), max_wait=Duration(1))
    exchanges = [get() for _ in range(3)]
    await asyncio.gather(*(inner.handle(exchange) for exchange in exchanges))
    assert [exchange.record.queue_s for exchange in exchanges] == [0.0, 0.0, 0.5]
    assert [exchange.record.longest_wait for exchange in exchanges] == [
        None,
        None,
        Wait(TOKEN, exchanges[0].started_at, seconds=0.5),
    ]
    assert told(inner)["rate_limit_waited"] == 1
    assert jumping.time() == exchanges[0].started_at + 0.5


async def test_nobody_waits_beyond_his_deadline(jumping: JumpingLoop) -> None:
    inner = limited(answers(2), max_wait=Duration(1))
    for _ in range(2):
        await inner.handle(get())
    exchange = get()
    exchange.deadline = exchange.started_at + 0.4
    with pytest.raises(RateLimited):
        await inner.handle(exchange)


async def test_who_leaves_the_line_makes_room_in_it(jumping: JumpingLoop) -> None:
    inner = limited(answers(3), max_wait=Duration(0.6))
    for _ in range(2):
        await inner.handle(get())
    leaving = asyncio.create_task(inner.handle(get()))
    await asyncio.sleep(0.1)
    with pytest.raises(RateLimited):
        await inner.handle(get())
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert (await inner.handle(get())).status == 200


async def test_clients_are_told_apart(jumping: JumpingLoop) -> None:
    inner = limited(answers(4), key="header:X-User", average=1.0)

    async def asked(*fields: tuple[bytes, bytes]) -> Reply:
        return await inner.handle(get(headers=fields))

    await asked((b"x-user", b"a"))
    await asked((b"X-User", b"b"))
    await asked()
    with pytest.raises(RateLimited):
        await asked()
    with pytest.raises(RateLimited):
        await asked((b"X-User", b"a"))


async def test_a_long_wait_is_told_in_whole_seconds(jumping: JumpingLoop) -> None:
    inner = limited(answers(1), average=1.0, burst=1, period=Duration(7200))
    await inner.handle(get())
    with pytest.raises(RateLimited, match="may ask again in 7200 s"):
        await inner.handle(get())


async def test_places_of_those_that_leave_are_those_of_whoever_is_behind_them(
    jumping: JumpingLoop,
) -> None:
    script = answers(9)
    inner = limited(script, average=1.0, max_wait=Duration(6))
    began = jumping.time()
    await inner.handle(get())
    for _ in range(4):
        line = [asyncio.create_task(inner.handle(get())) for _ in range(2)]
        await asyncio.sleep(0)
        line[0].cancel()
    await asyncio.sleep(9)
    assert [at - began for at in script.times] == [0, 1, 2, 3, 4]
    assert not inner._known.lines


@pytest.mark.parametrize("others", [0, 1])
async def test_who_leaves_when_its_turn_comes_gives_it_to_the_next(
    jumping: JumpingLoop, others: int
) -> None:
    script = answers(3)
    inner = limited(script, average=1.0, max_wait=Duration(9))
    await inner.handle(get())
    leaving = asyncio.create_task(inner.handle(get()))
    await asyncio.sleep(0)
    jumping.call_later(1, leaving.cancel)  # rings after the line has
    behind = [asyncio.create_task(inner.handle(get())) for _ in range(others)]
    await asyncio.gather(leaving, return_exceptions=True)
    await inner.handle(get())
    await asyncio.gather(*behind)
    assert [at - script.times[0] for at in script.times[1:]] == [1, 2][: 1 + others]


async def test_what_clients_that_leave_have_waited_is_logged(jumping: JumpingLoop) -> None:
    inner = limited(answers(1), average=1.0, period=Duration(9), max_wait=Duration(9))
    await inner.handle(get())
    exchange = get()
    leaving = asyncio.create_task(inner.handle(exchange))
    await asyncio.sleep(2)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert exchange.record.queue_s == 2.0


async def test_those_that_wait_when_the_rate_changes_keep_their_places(
    jumping: JumpingLoop,
) -> None:
    script, known = answers(9), Known(TokenBuckets(1.0, 1.0))
    options = RateLimitOptions(average=1.0, max_wait=Duration(9))
    began = jumping.time()
    inner = RateLimit(script, options, known=known, clock=loop_clock())
    await inner.handle(get())
    waiting = [asyncio.create_task(inner.handle(get())) for _ in range(2)]
    await asyncio.sleep(0.5)
    known.tokens.follow(10.0, 1.0, jumping.time())
    options = RateLimitOptions(average=10.0, max_wait=Duration(9))
    after = RateLimit(script, options, known=known, clock=loop_clock())
    await asyncio.gather(after.handle(get()), *waiting)
    assert [round(at - began, 2) for at in script.times] == [0.0, 0.75, 1.0, 2.0]


@given(
    st.lists(st.tuples(st.floats(0, 2), st.none() | st.floats(0, 5)), min_size=2, max_size=30),
    st.floats(0.2, 5),
    st.integers(1, 4),
)
def test_no_more_than_the_burst_and_the_rate_in_any_time_whoever_leaves(
    clients: list[tuple[float, float | None]], average: float, burst: int
) -> None:
    """Each comes some time after the one before, and may leave after a while."""

    async def come() -> tuple[list[float], list[float]]:
        script = answers(len(clients))
        inner = limited(script, average=average, burst=burst, max_wait=Duration(5))
        tasks, waits = [], []

        async def ask(patience: float | None) -> None:
            began = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(patience):
                    await inner.handle(get())
            except (RateLimited, TimeoutError):
                pass
            waits.append(asyncio.get_running_loop().time() - began)

        for gap, patience in clients:
            await asyncio.sleep(gap)
            tasks.append(asyncio.create_task(ask(patience)))
        await asyncio.gather(*tasks)
        assert not inner._known.lines
        return script.times, waits

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        times, waits = runner.run(come())
    assert max(waits) <= 5 + 1e-3
    for first in range(len(times)):
        for last in range(first, len(times)):
            allowed = burst + average * (times[last] - times[first])
            assert last - first + 1 <= allowed + 1e-2


@pytest.mark.parametrize(
    ("average", "period", "told"),
    [
        (60, 60, "q=60;w=60"),
        (0.5, 1, "q=1;w=2"),
        (2.5, 1, "q=5;w=2"),
        (10, 0.5, "q=20;w=1"),
        (1, 0.3, "q=10;w=3"),
        (1, 1.5, "q=2;w=3"),
        (0.1, 0.25, "q=2;w=5"),
        (1.234567, 1, "q=4444;w=3600"),
        (0.0001, 1, "q=1;w=10000"),
        (0.00015, 1, "q=1;w=6667"),
    ],
)
async def test_the_policy_never_says_more_than_the_limit(
    average: float, period: float, told: str
) -> None:
    inner = limited(answers(1), average=float(average), burst=1, period=Duration(period))
    await inner.handle(get())
    with pytest.raises(RateLimited) as caught:
        await inner.handle(get())
    assert caught.value.policy == f'"default";{told}'


def storing(cache: str) -> Handler:
    """What stands below: a cache that says this of each request."""

    async def answer(exchange: Exchange) -> Reply:
        exchange.record.cache = cache
        return reply()

    return answer


@pytest.mark.parametrize(
    ("cache", "left"),
    [
        ("hit; ttl=9", 2.0),
        ("hit; ttl=-9; detail=stale-while-revalidate", 2.0),
        ("fwd=stale; fwd-status=304", 1.0),
        ("fwd=uri-miss; collapsed", 1.0),
        ("", 1.0),
    ],
)
async def test_a_hit_gives_back_what_it_took_where_hits_do_not_count(
    cache: str, left: float, jumping: JumpingLoop
) -> None:
    inner = RateLimit(storing(cache), RateLimitOptions(average=2.0), clock=loop_clock())
    await inner.handle_sparing_hits(get())
    assert told(inner)["rate_limit_left "] == left


async def test_who_has_nothing_left_is_refused_hits_too(jumping: JumpingLoop) -> None:
    options = RateLimitOptions(average=1.0)
    inner = RateLimit(storing("hit; ttl=9"), options, clock=loop_clock())
    await inner.handle(get())
    with pytest.raises(RateLimited):
        await inner.handle_sparing_hits(get())
    assert told(inner)["rate_limit_left "] == 0.0


@pytest.mark.parametrize(("count_hits", "status"), [(True, 429), (False, 200)])
async def test_the_option_says_whether_hits_count(count_hits: bool, status: int) -> None:
    stored = length(b"kept", fields=b"Cache-Control: max-age=60\r\n")
    limit = {"average": 2, "period": "1h", "count_hits": count_hits}
    async with fronted([stored], cache={}, rate_limit=limit) as (upstream, proxy):
        for _ in range(3):
            answer = await proxy.ask(get_bytes())
        assert (answer.status, len(upstream.requests)) == (status, 1)
