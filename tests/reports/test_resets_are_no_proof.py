"""A reset says nothing of what a server has read before; only a FIN acknowledges it.

A server reads a head and resets the connection while the body is still being written. Its kernel
may not have acknowledged a byte by then (RFC 9293 3.8.6.3 lets it wait), and the write that fails
takes the reset away, so that a later read looks like a clean end.
"""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientRequest, ClientTimeout, TCPConnector
from yarl import URL

from proxy.net.sockets import RESET
from proxy.upstream.connector import install
from proxy.upstream.http1.protocol import UpstreamProtocol

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"


@pytest.fixture
async def pair() -> AsyncIterator[tuple[UpstreamProtocol, socket.socket]]:
    """Our side of a connection, and that of a server which acknowledges as late as it may."""
    listener = socket.create_server(("127.0.0.1", 0))
    connector = TCPConnector(limit=0)
    install(connector)
    request = ClientRequest("POST", URL(f"http://127.0.0.1:{listener.getsockname()[1]}"))
    connection = await connector.connect(request, [], ClientTimeout(connect=30))
    peer, _ = listener.accept()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
    assert isinstance(connection.protocol, UpstreamProtocol)
    yield connection.protocol, peer
    connection.close()
    listener.close()
    await connector.close()


async def test_a_head_that_was_read_before_a_reset_was_heard(
    pair: tuple[UpstreamProtocol, socket.socket],
) -> None:
    protocol, peer = pair
    protocol.begin(bodiless=False)
    protocol.send(HEAD)
    assert await asyncio.to_thread(peer.recv, 1000) == HEAD
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    peer.close()
    protocol.send_more(b"hello")  # fails, before the loop has seen the reset
    with pytest.raises(Exception):  # noqa: B017, PT011 - whichever came first
        await protocol.read()
    assert not protocol.unacknowledged
    assert not protocol.left_by_peer
