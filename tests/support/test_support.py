"""The support itself: a test that stands on sand proves nothing."""

import asyncio
from typing import Any

import pytest

from proxy.core.errors import ConnectFailed
from tests.support.client import RawClient
from tests.support.loop import JumpingLoop, Script, Stuck, get, loop_clock, post, reply, settle
from tests.support.message import CHUNKED_HEAD, OK, chunked
from tests.support.message import get as raw_get
from tests.support.message import post as raw_post
from tests.support.upstream import RawUpstream


@pytest.mark.parametrize(
    ("script", "status", "body", "ended"),
    [
        ([OK], 200, b"ok", "complete"),
        ([CHUNKED_HEAD, chunked(b"he", b"llo")], 200, b"hello", "complete"),
        ([CHUNKED_HEAD, b"5\r\nhel", "fin"], 200, b"hel", "fin-short"),
        ([CHUNKED_HEAD, b"5\r\nhel", 0.01, "rst"], 200, b"hel", "rst"),
        (
            [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"hel", "fin"],
            200,
            b"hel",
            "fin-short",
        ),
        ([b"HTTP/1.1 200 OK\r\n\r\n", b"hel", "fin"], 200, b"hel", "complete"),
        ([b"HTTP/1.1 200 OK\r\n\r\n", b"hel", 0.01, "rst"], 200, b"hel", "rst"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", OK], 200, b"ok", "complete"),
        (["rst"], 0, b"", "rst"),
        (["fin"], 0, b"", "fin-short"),
        (["hold"], 0, b"", "open"),
    ],
)
async def test_a_client_says_how_a_reply_ended(
    script: list[Any], status: int, body: bytes, ended: str
) -> None:
    async with (
        RawUpstream(script) as upstream,
        await RawClient.connect(("127.0.0.1", upstream.port)) as client,
    ):
        response = await client.ask(raw_get(), patience=0.1)
        assert (response.status, response.body, response.ended) == (status, body, ended)


@pytest.mark.parametrize("end", ["fin", "rst"])
async def test_an_upstream_sees_how_the_other_side_left(end: str) -> None:
    async with RawUpstream(["hold"]) as upstream:
        client = await RawClient.connect(("127.0.0.1", upstream.port))
        await client.send(raw_get())
        await upstream.until(lambda: len(upstream.requests) == 1)
        client.close() if end == "fin" else client.reset()
        await upstream.until(lambda: upstream.connections[0].ended == end)


async def test_an_upstream_plays_its_scripts_in_order_and_reads_every_framing() -> None:
    async with (
        RawUpstream(
            ["wait-body", OK], [("wait-body", 3), OK, "wait-body"], ["wait-body", OK]
        ) as upstream,
        await RawClient.connect(("127.0.0.1", upstream.port)) as client,
    ):
        await client.ask(raw_post(b"one"))
        head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        await client.ask(head + chunked(b"two", b"2"))
        await client.ask(raw_get())
        assert [request.body for request in upstream.requests] == [b"one", b"two2", b""]
        assert all(request.complete for request in upstream.requests)


async def test_time_jumps(jumping: JumpingLoop) -> None:
    before = jumping.time()
    await asyncio.sleep(3600)
    assert jumping.time() - before == pytest.approx(3600)


async def test_what_hangs_for_ever_fails_at_once() -> None:
    loop = JumpingLoop()
    try:
        with pytest.raises(Stuck):
            await asyncio.to_thread(loop.run_until_complete, loop.create_future())
    finally:
        loop.close()


async def test_a_script_plays_its_outcomes_and_records(jumping: JumpingLoop) -> None:
    script = Script(ConnectFailed, (5, reply(503)), reply(200, body=b"x"))
    assert isinstance(await settle(script(get("/a"))), ConnectFailed)
    start = jumping.time()
    second = await settle(script(post("/b", b"body")))
    assert getattr(second, "status", 0) == 503
    assert jumping.time() - start == pytest.approx(5)
    await script(get("/c"))
    assert script.sends == 3
    assert script.bodies == [b"", b"body", b""]
    with pytest.raises(AssertionError, match="send 4"):
        await script(get("/d"))


async def test_the_clock_of_a_loop_that_jumps_jumps(jumping: JumpingLoop) -> None:
    clock = loop_clock()
    before = clock()
    await asyncio.sleep(30)
    assert clock() == before + 30
