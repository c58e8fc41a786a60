"""Expect is a list (RFC 9110 10.1.1): who asks for 100 (Continue) among others is told to go on.

Only the one word was known. A client that sent it twice, or beside another expectation, got no 100
and waited until ``body_idle_timeout``.
"""

import pytest

from tests.support.message import OK
from tests.support.proxy import dialled

PATIENCE = 30.0


@pytest.mark.parametrize(
    "expect",
    [
        b"Expect: 100-continue\r\n",
        b"Expect: 100-Continue\r\n",
        b"Expect: 100-continue\r\nExpect: 100-continue\r\n",
        b"Expect: 100-continue, 100-continue\r\n",
        b"Expect: x=y\r\nExpect: 100-continue\r\n",
        b"Expect: ,\t100-continue ,\r\n",
    ],
)
async def test_who_waits_for_100_gets_it(expect: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n" + expect + b"\r\n"
    async with dialled(["wait-body", OK]) as (upstream, _, client):
        await client.send(head)
        received = await client.read_until(b"\r\n\r\n", patience=PATIENCE)
        assert received.startswith(b"HTTP/1.1 100 ")
        await client.send(b"hello")
        assert (await client.receive(patience=PATIENCE)).status == 200
        assert upstream.requests[0].body == b"hello"
