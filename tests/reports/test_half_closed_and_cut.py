"""A client that closed its half and is taken for gone never sees a clean end of a cut reply.

Where only the end of the connection delimits a body (HTTP/1.0, RFC 9112 6.3), a FIN in its midst
would pass for the whole.
"""

import asyncio

import pytest

from tests.support.message import CHUNKED_HEAD, chunked
from tests.support.proxy import dialled


@pytest.mark.parametrize("policy", ["auto", "answer", "leave"])
async def test_a_reply_without_a_length_is_whole_or_reset(policy: str) -> None:
    go = asyncio.Event()
    script = [CHUNKED_HEAD, chunked(b"first", end=b""), go, chunked(b"last")]
    async with dialled(script, server={"half_close": policy}) as (_, proxy, client):
        await client.send(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        await client.read_until(b"first")
        client.half_close()
        await proxy.breathe()
        go.set()
        rest = await client.rest()
        assert client.end == "rst" or rest == b"last"
