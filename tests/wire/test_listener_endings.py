"""How connections over TLS end, below TLS."""

import asyncio
import os
import socket

import pytest

from tests.support.authority import Authority
from tests.support.client import PATIENCE
from tests.support.message import CHUNKED_HEAD, chunked, get
from tests.support.proxy import proxied
from tests.support.tls_client import TlsClient, client_of, encrypted
from tests.support.upstream import RawUpstream


def end_below(client: TlsClient) -> bytes:
    """Wait for the end of the connection itself, without a word of ours."""
    with socket.socket(fileno=os.dup(client.tls.fileno())) as tcp:
        tcp.settimeout(PATIENCE)
        return tcp.recv(1)


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_reply_that_broke_leaves_no_socket_to_a_client_that_says_nothing(
    authority: Authority, framing: str
) -> None:
    short = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x" * 70_000
    pieces = short if framing == "length" else (CHUNKED_HEAD, chunked(b"hello", end=b""))
    server = {**encrypted(authority), "write_idle_timeout": "10m"}
    retry = {"attempts": 1}
    async with (
        RawUpstream([*pieces, "fin"]) as upstream,
        proxied(upstream, server=server, retry=retry, stream={"commit": "headers"}) as proxy,
        await client_of(proxy, authority) as client,
    ):
        await client.send(get())
        response = await client.receive()
        assert (response.status, response.ended) == (200, "fin-short")
        assert await asyncio.to_thread(end_below, client) == b""
