"""What the kernel knows of a connection that the loop has not told yet."""

import asyncio
import socket

import pytest
from aiohttp import (
    ClientConnectionError,
    ClientRequest,
    ClientTimeout,
    ServerDisconnectedError,
    TCPConnector,
)
from yarl import URL

from proxy.upstream.connector import install
from proxy.upstream.http1.protocol import UpstreamProtocol
from tests.support.upstream import RawUpstream


async def test_bytes_that_the_loop_has_not_seen_yet_end_a_resting_connection() -> None:
    async with RawUpstream() as upstream:
        connector = TCPConnector(limit=0)
        install(connector)
        request = ClientRequest("GET", URL(upstream.url))
        connection = await connector.connect(request, [], ClientTimeout(connect=1))
        protocol = connection.protocol
        assert isinstance(protocol, UpstreamProtocol)
        assert protocol.checkout()
        protocol.park(10)
        await upstream.until(lambda: len(upstream.connections) == 1)
        # Written and looked at without giving the loop a turn in between.
        upstream.connections[0].transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
        assert not protocol.checkout()
        connection.close()
        await upstream.connections[0].closed.wait()
        await connector.close()


@pytest.mark.parametrize(("reads", "unacknowledged"), [(False, True), (True, False)])
async def test_a_request_that_crossed_the_end_of_its_connection_was_not_received(
    reads: bool, unacknowledged: bool
) -> None:
    """What was in nobody's hands may be sent again, even a POST."""
    listener = socket.create_server(("127.0.0.1", 0))
    connector = TCPConnector(limit=0)
    install(connector)
    request = ClientRequest("POST", URL(f"http://127.0.0.1:{listener.getsockname()[1]}"))
    connection = await connector.connect(request, [], ClientTimeout(connect=1))
    peer, _ = listener.accept()
    protocol = connection.protocol
    assert isinstance(protocol, UpstreamProtocol)
    protocol.begin(bodiless=False)
    if not reads:  # its end is on the way, and the loop has not seen it yet
        peer.shutdown(socket.SHUT_WR)
        peer.close()
    protocol.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
    if reads:
        await asyncio.sleep(0.01)
        assert peer.recv(1000).endswith(b"x")
        peer.close()
    with pytest.raises(ServerDisconnectedError if reads else ClientConnectionError):
        await protocol.read()
    assert protocol.unacknowledged is unacknowledged
    connection.close()
    listener.close()
    await connector.close()
