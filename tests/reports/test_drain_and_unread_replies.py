"""A drain leaves a client the time to read what it was answered.

A server that answers before it has read the request ends the connection (RFC 9112 9.3, 9.6): the
proxy has written the whole reply, drops what still comes and closes when the client has taken it.
Nothing is asked on such a connection, but to close it at once would reset it, and the kernel throws
away what the client has not taken.
"""

import asyncio
import contextlib

import pytest

from tests.support.client import RawClient
from tests.support.message import length
from tests.support.proxy import proxied
from tests.support.upstream import RawUpstream

BODY = b"too large " * 20_000
REFUSED = length(BODY, b"413 Content Too Large")
HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"


async def send_on(client: RawClient) -> None:
    """The rest of the upload, whatever becomes of it."""
    with contextlib.suppress(OSError):
        for _ in range(100):
            await client.send(b"x" * 1000)


@pytest.mark.parametrize("sends_on", [True, False])
async def test_a_reply_that_was_written_is_read_whole(sends_on: bool) -> None:
    async with (
        RawUpstream(["read-nothing", REFUSED]) as upstream,
        proxied(upstream, shutdown={"grace_period": "30s"}) as proxy,
        await proxy.connect(receive_buffer=4096) as client,
    ):
        await client.send(HEAD)
        await proxy.record()
        drain = asyncio.ensure_future(proxy.runtime.drain())
        await proxy.breathe()
        if sends_on:
            await send_on(client)
        response = await client.receive()
        assert (response.status, response.ended) == (413, "complete")
        assert response.body == BODY
        client.close()
        assert await drain
