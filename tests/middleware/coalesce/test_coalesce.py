"""Equal requests share one call."""

import asyncio
from typing import Any

import pytest

from proxy.core.duration import Duration
from proxy.core.errors import ConnectionTerminated, ReplyBroken
from proxy.core.exchange import Exchange
from proxy.core.record import Attempt
from proxy.core.reply import Ending, Reply
from proxy.http.fields import RawHeaders
from proxy.middleware.coalesce.coalesce import Coalesce
from proxy.middleware.coalesce.options import CoalesceOptions
from proxy.middleware.coalesce.shared_reply import MemoryBudget
from tests.support.loop import JumpingLoop, Script, get, loop_clock, post, reply
from tests.support.pieces import Pieces, body, streaming
from tests.support.samples import told

pytestmark = pytest.mark.usefixtures("nothing_left")


def shared(script: Script, room: MemoryBudget | None = None, **options: Any) -> Coalesce:
    return Coalesce(
        script, CoalesceOptions(**options), room or MemoryBudget(), set(), clock=loop_clock()
    )


async def asked(inner: Coalesce, exchange: Exchange | None = None) -> bytes:
    return await body(await inner.handle(exchange or get()))


async def test_equal_requests_are_asked_once(jumping: JumpingLoop) -> None:
    script = Script((5, reply(body=b"all")), reply(body=b"new"))
    inner = shared(script)
    exchanges = [get() for _ in range(50)]
    answers = await asyncio.gather(*(asked(inner, exchange) for exchange in exchanges))
    assert set(answers) == {b"all"}
    assert script.sends == 1
    assert [exchange.record.coalesced for exchange in exchanges] == [False, *[True] * 49]
    assert await asked(inner) == b"new"  # it is no cache
    assert told(inner.counts) == {"coalesce_calls": 2, "coalesce_joined": 49}


@pytest.mark.parametrize(
    "other",
    [
        lambda: get("/other"),
        lambda: get(method="HEAD"),
        lambda: get(headers=((b"Authorization", b"Bearer b"),)),
        lambda: get(headers=((b"Cookie", b"a=1"),)),
        lambda: get(headers=((b"X-Tenant", b"b"),)),
        lambda: get(headers=((b"Accept", b"text/html"),)),
        lambda: get(headers=((b"Range", b"bytes=0-1"),)),
        lambda: post(body=b"x"),
        lambda: Exchange("GET", b"/", (), b"/", host="other.test"),
    ],
)
async def test_what_differs_in_anything_that_counts_goes_by_itself(
    jumping: JumpingLoop, other: Any
) -> None:
    script = Script((5, reply(body=b"one")), (5, reply(body=b"two")))
    inner = shared(script)
    answers = await asyncio.gather(asked(inner), asked(inner, other()))
    assert sorted(answers) == [b"one", b"two"]


async def test_ids_of_traces_keep_nobody_apart(jumping: JumpingLoop) -> None:
    inner = shared(Script((5, reply(body=b"one"))))
    fields = [((b"X-Request-Id", b"%d" % i), (b"traceparent", b"%d" % i)) for i in range(3)]
    answers = await asyncio.gather(*(asked(inner, get(headers=each)) for each in fields))
    assert answers == [b"one"] * 3


async def test_who_comes_late_gets_what_has_been_read_and_then_goes_on(
    jumping: JumpingLoop,
) -> None:
    pieces = Pieces(b"a", b"b", b"c", b"d")
    script = Script(streaming(pieces))
    inner = shared(script)
    first = asyncio.create_task(asked(inner))
    await asyncio.sleep(2.5)
    began = jumping.time()
    late = await inner.handle(get())
    assert await late.read() == b"a"
    assert await late.read() == b"b"
    assert jumping.time() == began
    assert await body(late) == b"cd"
    assert await first == b"abcd"
    assert script.sends == 1
    assert pieces.ending is Ending.COMPLETE


@pytest.mark.parametrize("moment", [0.5, 2.5])
async def test_the_leader_may_leave(jumping: JumpingLoop, moment: float) -> None:
    """Before the head, and in the midst of the body."""
    script = Script((1, streaming(Pieces(b"a", b"b", b"c"))))
    inner = shared(script)
    leader = asyncio.create_task(asked(inner))
    await asyncio.sleep(0.1)
    follower = asyncio.create_task(asked(inner))
    await asyncio.sleep(moment)
    leader.cancel()
    assert await follower == b"abc"
    assert script.sends == 1
    with pytest.raises(asyncio.CancelledError):
        await leader


async def abandoned(inner: Coalesce) -> None:
    """A client that takes one piece and leaves."""
    answer = await inner.handle(get())
    await answer.read()
    answer.close(Ending.ABANDONED)


async def test_a_call_that_nobody_waits_for_is_given_up(jumping: JumpingLoop) -> None:
    inner = shared(Script((9, reply()), reply(body=b"new")))
    tasks = [asyncio.create_task(asked(inner)) for _ in range(3)]
    await asyncio.sleep(1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert told(inner)["coalesce_in_flight"] == 0
    assert await asked(inner) == b"new"
    assert jumping.time() == 1_001.0


async def test_a_body_that_nobody_reads_is_given_up(jumping: JumpingLoop) -> None:
    pieces, room = Pieces(*[b"x"] * 9), MemoryBudget()
    inner = shared(Script(streaming(pieces)), room)
    await asyncio.gather(abandoned(inner), abandoned(inner))
    assert pieces.ending is Ending.ABANDONED
    assert room.used == 0
    for _ in range(3):
        await asyncio.sleep(0)
    assert told(inner)["coalesce_in_flight"] == 0


async def test_a_failure_is_everybodys_and_each_has_its_own(jumping: JumpingLoop) -> None:
    inner = shared(Script((1, ConnectionTerminated("reset"))))
    outcomes = await asyncio.gather(*(asked(inner) for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ConnectionTerminated] * 3
    assert len({id(outcome) for outcome in outcomes}) == 3
    assert {str(outcome) for outcome in outcomes} == {"reset"}


async def test_a_body_that_breaks_breaks_for_all(jumping: JumpingLoop) -> None:
    pieces = Pieces(b"a", b"b", error=ReplyBroken("cut short"))
    inner = shared(Script(streaming(pieces)))
    outcomes = await asyncio.gather(*(asked(inner) for _ in range(3)), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["cut short"] * 3
    assert pieces.ending is Ending.BROKEN


@pytest.mark.parametrize(
    "headers",
    [
        [(b"Set-Cookie", b"a=1")],
        [(b"Cache-Control", b"max-age=9, Private")],
        [(b"cache-control", b"no-store")],
        [(b"cache-control", b'no-cache="x"')],
        [(b"Vary", b"Accept, *")],
        [(b"Vary", b"X-Forwarded-For")],
        [(b"Content-Type", b"text/event-stream")],
    ],
)
async def test_what_may_not_be_shared_is_noticed_and_the_others_ask_at_once(
    jumping: JumpingLoop, headers: RawHeaders
) -> None:
    mine = [(1, reply(headers=headers, body=b"%d" % i)) for i in range(4)]
    script = Script(*mine, (1, reply(headers=headers, body=b"later")))
    inner = shared(script)
    began = jumping.time()
    answers = await asyncio.gather(*(asked(inner) for _ in range(4)))
    assert sorted(answers) == [b"0", b"1", b"2", b"3"]
    assert jumping.time() == began + 2  # all in parallel
    assert await asked(inner) == b"later"
    assert told(inner.counts)["coalesce_calls"] == 1  # it is known now
    assert inner.bypassed == {"private": 4}
    assert told(inner.bypassed)["coalesce_bypassed private"] == 4


async def test_what_may_not_be_shared_goes_back_where_its_leader_has_left(
    jumping: JumpingLoop,
) -> None:
    own = reply(headers=[(b"Set-Cookie", b"a=1")])
    inner = shared(Script((2, own), (1, reply(body=b"mine"))))
    leader = asyncio.create_task(asked(inner))
    await asyncio.sleep(0.1)
    follower = asyncio.create_task(asked(inner))
    await asyncio.sleep(0.1)
    leader.cancel()
    assert await follower == b"mine"
    assert own.closed
    await asyncio.gather(leader, return_exceptions=True)


@pytest.mark.parametrize(
    "headers", [[(b"Cache-Control", b"max-age=60, public")], [(b"Vary", b"Accept-Encoding")]]
)
async def test_what_may_be_shared_is(jumping: JumpingLoop, headers: RawHeaders) -> None:
    script = Script((1, reply(headers=headers, body=b"all")))
    inner = shared(script)
    answers = await asyncio.gather(asked(inner), asked(inner))
    assert set(answers) == {b"all"}


async def test_waiters_are_capped(jumping: JumpingLoop) -> None:
    script = Script((1, reply(body=b"mine")), (5, reply(body=b"all")))
    inner = shared(script, max_waiters=3)
    answers = await asyncio.gather(*(asked(inner) for _ in range(4)))
    assert answers == [b"all", b"all", b"all", b"mine"]
    assert inner.bypassed == {"max_waiters": 1}


async def test_who_has_waited_long_enough_goes_alone(jumping: JumpingLoop) -> None:
    script = Script((9, reply(body=b"late")), (1, reply(body=b"mine")))
    inner = shared(script, wait_timeout=Duration(2))
    exchange = get()
    leader = asyncio.create_task(asked(inner))
    await asyncio.sleep(0)
    assert await asked(inner, exchange) == b"mine"
    assert jumping.time() == exchange.started_at + 3
    assert not exchange.record.coalesced
    assert await leader == b"late"
    assert inner.bypassed == {"wait_timeout": 1}


async def test_a_slow_client_slows_nobody_and_a_fast_one_sets_the_pace(
    jumping: JumpingLoop,
) -> None:
    big = bytes(200 << 10)
    pieces = Pieces(*[big] * 10)
    inner = shared(Script(streaming(pieces)))
    slow = await inner.handle(get())
    fast = await inner.handle(get())
    await asyncio.sleep(30)
    assert pieces.reads == 2  # nobody has taken anything yet
    assert await body(fast) == big * 10
    assert pieces.ending is Ending.COMPLETE
    assert await body(slow) == big * 10


async def test_what_is_known_of_the_call_is_known_of_each(jumping: JumpingLoop) -> None:
    tries = (Attempt("http://b", "503", 0.5), Attempt("http://a", "200", 0.5))

    async def served(exchange: Exchange) -> Reply:
        exchange.record.upstream, exchange.record.endpoint = "api", "http://a"
        exchange.record.attempt_count, exchange.record.first_byte_at = 2, 1_007.0
        exchange.record.attempt_log = tries
        exchange.error = "destination_unavailable"  # a fixed reply in its place
        return reply(body=b"x")

    inner = shared(Script((1, served)))
    leader, follower = get(), get()
    await asyncio.gather(asked(inner, leader), asked(inner, follower))
    assert (leader.record.attempt_count, follower.record.attempt_count) == (2, 0)
    assert (leader.record.attempt_log, follower.record.attempt_log) == (tries, ())
    for exchange in (leader, follower):
        assert (exchange.record.upstream, exchange.record.endpoint) == (
            "api",
            "http://a",
        )
        assert exchange.record.first_byte_at == 1_007.0
        assert exchange.error == "destination_unavailable"


@pytest.mark.parametrize(("other", "until"), [(9.0, 9.0), (None, None), (1.0, 4.0)])
async def test_a_call_is_tried_for_as_long_as_anybody_waits(
    jumping: JumpingLoop, other: float | None, until: float | None
) -> None:
    script = Script((1, reply(body=b"x")))
    inner = shared(script)
    leader, follower = get(), get()
    leader.deadline = 4.0
    follower.deadline = other
    await asyncio.gather(asked(inner, leader), asked(inner, follower))
    assert script.exchanges[0].deadline == until


async def test_calls_with_different_marks_are_not_shared(jumping: JumpingLoop) -> None:
    script = Script((5, reply(body=b"one")), (5, reply(body=b"two")))
    inner = shared(script)
    both = [inner.share(get(), script, mark) for mark in (b"a", b"b")]
    answers = [answer for answer in await asyncio.gather(*both) if answer is not None]
    assert [await body(answer) for answer in answers] == [b"one", b"two"]
