"""A request that met the end of a resting connection goes again where nobody can have read it.

What the peer has not acknowledged when its FIN came, it had not read (RFC 9112 9.3.1).
"""

import asyncio
import socket
from unittest.mock import MagicMock

import pytest

from proxy.upstream.http1.protocol import UpstreamProtocol
from tests.support.message import OK, get, post
from tests.support.proxy import dialled
from tests.support.upstream_connection import connected_pair

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
LATER = {"keepalive_timeout": "60s"}


@pytest.mark.parametrize(
    ("head_read", "pieces", "unacknowledged"),
    [
        (False, [HEAD + b"hello"], True),
        (False, [HEAD, b"hello"], True),
        (True, [HEAD, b"hello"], False),
        (True, [HEAD, b"hello" * 1000], False),
    ],
)
async def test_the_kernel_says_what_was_heard(
    head_read: bool, pieces: list[bytes], unacknowledged: bool
) -> None:
    """``head_read``: the head was read before the connection ended; the body never is."""
    async with connected_pair() as (protocol, peer):
        protocol.begin(bodiless=False)
        first, *more = pieces
        if head_read:
            protocol.send(first)
            assert await asyncio.to_thread(peer.recv, 1000) == first
        peer.shutdown(socket.SHUT_WR)
        peer.close()
        if not head_read:
            protocol.send(first)
        for piece in more:
            protocol.send_more(piece)
        with pytest.raises(Exception):  # noqa: B017, PT011 - whichever came first
            await protocol.read()
        assert protocol.unacknowledged is unacknowledged


@pytest.mark.parametrize(
    ("encrypted", "pieces", "left", "unacknowledged"),
    [
        (False, [100, 100_000], 100_100, True),
        (False, [100, 100_000], 100_000, False),
        (True, [100], 122, True),
        (True, [100], 0, False),
        # Seven records of 22 bytes more each: the head was read, and as much as all is left.
        (True, [100, 100_000], 100_154, False),
        (True, [100_100], 100_100, False),
    ],
)
async def test_records_of_tls_are_not_taken_for_bytes_of_the_request(
    monkeypatch: pytest.MonkeyPatch,
    encrypted: bool,
    pieces: list[int],
    left: int,
    unacknowledged: bool,
) -> None:
    """``left``: bytes that the peer has not taken, as the kernel counts them."""
    protocol = UpstreamProtocol(asyncio.get_running_loop())
    protocol.transport = MagicMock(**{"is_closing.return_value": False})
    protocol.encrypted = encrypted
    protocol.begin(bodiless=False)
    first, *more = pieces
    protocol.send(b"x" * first)
    for piece in more:
        protocol.send_more(b"x" * piece)
    monkeypatch.setattr(protocol.__class__, "unsent", lambda _: left)
    protocol.eof_received()
    assert protocol.unacknowledged is unacknowledged


async def test_what_goes_once_takes_a_new_connection_where_this_one_may_soon_be_closed() -> None:
    closes = [OK, 0.05, "fin"]
    async with dialled(closes, ["wait-body", OK], upstream_options=LATER) as (upstream, _, client):
        await client.ask(get())
        async with asyncio.timeout(30):
            await upstream.connections[0].closed.wait()
        await client.ask(get())
        await asyncio.sleep(0.1)  # at least: the server closed the other after 0.05 s
        await client.ask(get())  # may go again
        assert len(upstream.connections) == 2
        await asyncio.sleep(0.1)
        await client.ask(post(b"once"))
        assert len(upstream.connections) == 3


async def test_nothing_is_learned_from_connections_that_we_closed() -> None:
    async with dialled(upstream_options={"keepalive_timeout": "50ms"}) as (upstream, _, client):
        await client.ask(get())
        async with asyncio.timeout(30):
            await upstream.connections[0].closed.wait()
        await client.ask(get())
        await client.ask(post(b"once"))
        assert len(upstream.connections) == 2


def announcing(timeout: int, *, chunked: bool = False) -> bytes:
    """A reply that says how long its connection may be idle."""
    body = b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    if not chunked:
        body = b"Content-Length: 2\r\n\r\nok"
    return b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=%d\r\n%b" % (timeout, body)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_connection_is_closed_before_the_server_does_that_announced_it(
    *, chunked: bool
) -> None:
    """Node sends ``timeout=5`` and closes then: a POST that met the end was lost."""
    script = [announcing(2, chunked=chunked)]
    async with dialled(script, upstream_options=LATER) as (upstream, _, client):
        for _ in range(2):
            assert (await client.ask(post(b"once"))).body == b"ok"
        assert len(upstream.connections) == 1
        async with asyncio.timeout(30):
            await upstream.connections[0].closed.wait()  # the server leaves it open
        assert (await client.ask(post(b"once"))).body == b"ok"
        assert len(upstream.connections) == 2


@pytest.mark.parametrize("chunked", [False, True])
async def test_one_that_the_server_will_not_keep_is_used_once(*, chunked: bool) -> None:
    script = [announcing(0, chunked=chunked)]
    async with dialled(script, upstream_options=LATER) as (upstream, _, client):
        for _ in range(2):
            assert (await client.ask(post(b"once"))).body == b"ok"
        assert len(upstream.connections) == 2


async def test_what_a_reply_announces_holds_until_the_next_one() -> None:
    scripts = [announcing(1000)], [OK], [announcing(1)]
    async with dialled(*scripts, upstream_options=LATER) as (upstream, _, client):
        for _ in range(3):
            await client.ask(get())
        assert len(upstream.connections) == 1
        async with asyncio.timeout(30):
            await upstream.connections[0].closed.wait()
