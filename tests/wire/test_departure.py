"""A client that leaves: the upstream is told within 50 ms, and nobody is blamed."""

import asyncio

import pytest

from tests.support.message import CHUNKED_HEAD, get, post
from tests.support.proxy import fronted
from tests.support.upstream import HEALTHY, Script

SOON = 5.0
"""Seconds: shorter than any clock of the proxy, and long enough for a busy machine."""

ON_THE_WAY: Script = [CHUNKED_HEAD, b"5\r\nhello\r\n", "hold"]
CUT_SHORT: Script = [b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhello", "hold"]
"""Too long to be held until it is whole, see ``[stream] commit``."""
UPLOADING = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nfirst"


@pytest.mark.parametrize("end", ["fin", "rst"])
@pytest.mark.parametrize(
    ("request_", "script", "begun", "status"),
    [
        (get(), ["hold"], False, 499),
        (post(b"hello"), ["hold"], False, 499),
        (UPLOADING, ["hold"], False, 499),
        (get(), [b"HTTP/1.1 200 OK\r\n", "hold"], False, 499),
        (get(), ON_THE_WAY, True, 499),
        (get(), CUT_SHORT, True, 499),
        (post(b"hello"), ON_THE_WAY, True, 499),
        (UPLOADING, ON_THE_WAY, True, 499),
    ],
    ids=["get", "post", "uploading", "half a head", "chunked", "length", "post begun", "both ways"],
)
async def test_the_upstream_is_told_at_once(
    request_: bytes, script: Script, begun: bool, status: int, end: str
) -> None:
    async with fronted(script, HEALTHY) as (upstream, proxy):
        client = await proxy.connect()
        await client.send(request_)
        if begun:
            await client.read_until(b"hello")
        await upstream.until(lambda: len(upstream.requests) == 1)
        await proxy.breathe()
        left = asyncio.get_running_loop().time()
        client.close() if end == "fin" else client.reset()
        connection = upstream.connections[0]
        await upstream.until(connection.closed.is_set)
        assert connection.closed_at - left < SOON
        record = await proxy.record()
        assert record.status == status
        assert len(proxy.records) == 1
        assert (await proxy.ask(get())).body == b"ok"
        assert len(connection.requests) == 1
        assert len(upstream.requests) == 2  # nothing was tried again for nobody


async def test_a_client_that_leaves_while_a_try_is_awaited_gets_no_other() -> None:
    options = {"retry": {"attempts": 5, "on": ["503"], "backoff_base": "50ms"}}
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
    async with fronted([busy], **options) as (upstream, proxy):
        client = await proxy.connect()
        await client.send(get())
        await upstream.until(lambda: len(upstream.requests) == 1)
        await proxy.breathe()
        client.close()
        assert (await proxy.record()).status == 499
        assert len(upstream.requests) == 1


async def test_a_reset_is_seen_behind_an_upload_that_is_held_back() -> None:
    """The client's FIN would stand behind bytes that nobody reads; its RST does not."""
    async with fronted(["read-nothing", "hold"]) as (_, proxy):
        client = await proxy.connect()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.send(post(b"x" * 50_000_000))
        client.reset()
        record = await proxy.record()
        assert record.status == 499


async def test_the_upload_clock_ends_what_a_hidden_fin_does_not() -> None:
    options = {"timeouts": {"first_byte": "150ms"}}
    async with fronted(["read-nothing", "hold"], **options) as (_, proxy):
        client = await proxy.connect()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.send(post(b"x" * 50_000_000))
        client.half_close()
        record = await proxy.record()
        assert record.status in (499, 504)  # whichever is noticed first when the clock rings
        client.close()


async def test_a_client_that_leaves_behind_a_whole_reply_is_no_failure() -> None:
    async with fronted() as (_, proxy):
        assert (await proxy.ask(get())).status == 200
        record = await proxy.record()
        assert (record.status, record.error) == (200, "")


async def test_pipelined_requests_behind_one_that_was_left_are_not_sent() -> None:
    async with fronted(["hold"]) as (upstream, proxy):
        client = await proxy.connect()
        await client.send(get("/1") + get("/2"))
        await upstream.until(lambda: len(upstream.requests) == 1)
        client.reset()
        await upstream.until(upstream.connections[0].closed.is_set)
        await proxy.breathe()
        assert [request.line for request in upstream.requests] == [b"GET /1 HTTP/1.1"]
