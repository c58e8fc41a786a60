"""A reset says nothing of what a server has read before; only a FIN acknowledges it.

A server reads a head and resets the connection while the body is still being written. Its kernel
may not have acknowledged a byte by then (RFC 9293 3.8.6.3 lets it wait), and the write that fails
takes the reset away, so that a later read looks like a clean end.
"""

import asyncio
import socket

import pytest

from proxy.net.sockets import RESET
from tests.support.upstream_connection import connected_pair

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"


async def test_a_head_that_was_read_before_a_reset_was_heard() -> None:
    async with connected_pair() as (protocol, peer):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)  # acknowledge late
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
