"""What the kernel knows of a connection that the loop has not told yet."""

import asyncio
import math
import socket

import pytest
from aiohttp import ClientConnectionError, ServerDisconnectedError

from tests.support.upstream import RawUpstream
from tests.support.upstream_connection import connected_pair, connected_to


async def test_bytes_that_the_loop_has_not_seen_yet_end_a_resting_connection() -> None:
    async with RawUpstream() as upstream:
        async with connected_to(upstream.url) as protocol:
            assert protocol.checkout()
            protocol.park(10)
            await upstream.until(lambda: len(upstream.connections) == 1)
            # Written and looked at without giving the loop a turn in between.
            upstream.connections[0].transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
            assert not protocol.checkout()
        await upstream.connections[0].closed.wait()


@pytest.mark.parametrize(("reads", "unacknowledged"), [(False, True), (True, False)])
async def test_a_request_that_crossed_the_end_of_its_connection_was_not_received(
    reads: bool, unacknowledged: bool
) -> None:
    """What was in nobody's hands may be sent again, even a POST."""
    async with connected_pair() as (protocol, peer):
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


@pytest.mark.parametrize(
    ("keepalive", "usable", "seconds"),
    [(10.0, 4.0, 4.0), (3.0, 4.0, 3.0), (math.inf, 4.0, 4.0), (10.0, math.inf, 10.0)],
)
async def test_it_is_idle_for_no_longer_than_the_server_announced(
    keepalive: float, usable: float, seconds: float
) -> None:
    async with connected_pair() as (protocol, _):
        protocol.usable = usable
        protocol.park(keepalive)
        assert protocol.timer._at == protocol._parked_at + seconds


@pytest.mark.parametrize("usable", [0.0, math.inf])
async def test_one_that_belongs_to_a_client_may_be_idle_without_a_limit(usable: float) -> None:
    async with connected_pair() as (protocol, _):
        protocol.usable = usable
        protocol.park(math.inf)
        assert not protocol.timer.armed
