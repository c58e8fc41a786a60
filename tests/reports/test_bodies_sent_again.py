"""What goes upstream more than once is what came, whatever happens in between.

A copy of a PUT with `Expect: 100-continue` and a chunked body went out empty where the body came
just when the copy was due, and its answer could win. Here the body's pieces, the 100 (Continue),
copies, retries, fallbacks, the disk, a body that is too large and the client's departure meet in
every order, on a grid of few moments so that many fall together.
"""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.errors import ClientError
from proxy.core.size import Size
from proxy.edge.http1.request_body import WAIT_FOR_CONTINUE, ClientBody
from proxy.edge.options import ServerOptions
from tests.support.loop import JumpingLoop
from tests.support.message import OK
from tests.support.proxy import proxied
from tests.support.sends import MOMENT, MOST, Case, Plan, Upstream, coming
from tests.support.upstream import RawUpstream

MOMENTS = st.integers(0, 8)
PLANS = st.lists(
    st.builds(
        Plan,
        answers=MOMENTS,
        outcome=st.sampled_from(["ok", "503", "reset", "refused"]),
        proceeds=st.none() | MOMENTS,
        stalls=st.integers(0, 2),
        wants_all=st.booleans(),
    ),
    max_size=6,
)
PIECES = st.lists(st.tuples(MOMENTS, st.binary(min_size=1, max_size=150)), max_size=4)


CASES = st.builds(
    Case,
    pieces=PIECES,
    plans=PLANS,
    method=st.sampled_from(["PUT", "PUT", "POST"]),
    expects=st.booleans(),
    chunked=st.booleans(),
    delay=MOMENTS,
    memory=st.sampled_from([0, 1, 100, 10_000]),
    spool=st.booleans(),
    departs=st.none() | st.integers(0, 30),
    disk_fails=st.booleans(),
    turn=st.sampled_from([0.0, MOMENT / 10, MOMENT / 3]),
)


def checked(case: Case) -> Upstream:
    """Nothing but what came has gone upstream."""
    upstream, came = case.run(), case.came
    assert set(upstream.whole) <= {came}
    for part in upstream.partial:
        assert came.startswith(part)
    if len(came) > MOST:
        assert upstream.whole == []
    return upstream


@settings(max_examples=400, deadline=None)
@given(CASES)
def test_what_goes_upstream_is_what_came(case: Case) -> None:
    checked(case)


def test_a_copy_that_is_due_about_when_the_body_comes_has_all_of_it() -> None:
    """Every turn of the loop from before the body comes until it has been passed on."""
    copies = 0
    for step in range(60):
        case = Case(
            [(2 + step / 20, b"hello")],
            [Plan(answers=9, proceeds=0), Plan(answers=1)],
            expects=True,
            delay=4,
            turn=MOMENT / 20,
        )
        copies += len(checked(case).whole) - 1
    assert copies == 60, "a copy that was due too early is made when the body is here"


async def test_a_copy_is_due_when_the_body_has_come_but_was_not_read(jumping: JumpingLoop) -> None:
    """The moment in which a copy went out empty."""
    content = coming(jumping)
    body = ClientBody(content, None, ServerOptions(), jumping, lambda: None)
    body.keep(1000)
    reader = body.reader()
    reading = asyncio.create_task(reader.read())
    await asyncio.sleep(MOMENT)
    content.feed_data(b"hello")
    content.feed_eof()
    turns = []
    while not body.complete:
        turns.append(body.copy())
        if reading.done():
            await reader.read()
        await asyncio.sleep(0)
    assert set(turns) == {None}
    copied = body.copy()
    assert copied is not None
    assert copied.buffered == b"hello"
    body.close()


@pytest.mark.parametrize("late", [0.0, 0.005, 0.02])
async def test_a_hedged_put_that_waits_for_100_arrives_whole(late: float) -> None:
    """Over sockets: `Expect: 100-continue`, chunked, the body about when the copy is due."""
    async with RawUpstream(["wait-body", OK]) as upstream:
        hedge = {"delay": "20ms", "budget_percent": 100}
        async with proxied(upstream, hedge=hedge) as proxy:
            for _ in range(20):
                async with await proxy.connect() as client:
                    await client.send(
                        b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                        b"Expect: 100-continue\r\n\r\n"
                    )
                    await asyncio.sleep(0.017 + late)
                    await client.send(b"5\r\nhello\r\n0\r\n\r\n")
                    assert (await client.receive()).status == 200
        assert {request.body for request in upstream.requests if request.complete} == {b"hello"}


async def test_too_large_a_body_is_never_copied(jumping: JumpingLoop) -> None:
    content = coming(jumping)
    body = ClientBody(content, None, ServerOptions(max_body=Size(3)), jumping)
    body.keep(1000)
    content.feed_data(b"hello")
    content.feed_eof()
    reader = body.reader()
    with pytest.raises(ClientError):
        await reader.read()
    assert (body.copy(), body.resendable, body.complete) == (None, False, False)
    body.close()


async def test_a_client_is_told_to_go_on_once_by_whoever_is_first(jumping: JumpingLoop) -> None:
    """The upstream's 100, the time it had for it, or the body that came unasked."""
    for asks_after, comes_after, expected in ((0.5, 2.0, 1), (None, 2.0, 1), (None, 0.5, 0)):
        told: list[float] = []
        content = coming(jumping)
        note: Any = lambda: told.append(jumping.time())  # noqa: B023, E731
        body = ClientBody(content, None, ServerOptions(), jumping, note)
        reading = asyncio.create_task(body.reader().read())
        began = jumping.time()
        if asks_after is not None:
            jumping.call_later(asks_after, body.proceed)
        jumping.call_later(comes_after, content.feed_data, b"x")
        assert await reading == b"x"
        body.proceed()
        assert len(told) == expected
        if told:
            assert told[0] - began == pytest.approx(asks_after or WAIT_FOR_CONTINUE)
        body.close()
