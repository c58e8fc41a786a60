"""What a server says before it hangs up on an upload reaches the client.

A server that answers 413 or 401 and closes with unread bytes resets the connection: the next write
fails although the answer has already come. RFC 9112 9.5, 9.6.
"""

import asyncio
import contextlib
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from proxy.core.body import Body, BytesBody
from proxy.core.duration import Duration
from proxy.core.errors import ResponseTimeout
from proxy.core.timeouts import TimeoutsOptions
from proxy.net.timers import RearmableTimer
from proxy.upstream.http1.protocol import UpstreamProtocol
from proxy.upstream.http1.request_body import RequestBodySender
from tests.support.authority import Authority
from tests.support.client import RawClient, Response
from tests.support.loop import JumpingLoop
from tests.support.message import length
from tests.support.proxy import fronted, proxied
from tests.support.upstream import RawUpstream
from tests.support.upstream_connection import connected_to
from tests.support.watched_chunk import Stalling

SIZE = 50 << 20
PIECE = b"x" * (1 << 20)
ROUNDS = 10
REFUSED = length(b"too large" * 1000, b"413 Content Too Large", b"Connection: close\r\n")
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
LENGTH = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % SIZE


async def uploaded(client: RawClient, head: bytes) -> Response:
    """The reply to an upload that goes on for as long as it can."""

    async def send() -> None:
        piece = b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if head is CHUNKED else PIECE
        with contextlib.suppress(ConnectionError, TimeoutError):
            await client.send(head)
            for _ in range(SIZE // len(PIECE)):
                await client.send(piece)

    sending = asyncio.create_task(send())
    try:
        return await client.receive(patience=30)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


class Refusing:
    """Reads a head, answers and closes at once, in a thread: as blocking servers do it."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def run(self) -> None:
        """Until it is closed."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with contextlib.suppress(OSError), connection:
                    connection.recv(1000)
                    time.sleep(self._delay)
                    connection.sendall(REFUSED)

    def close(self) -> None:
        """Accept no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextlib.contextmanager
def refusing(delay: float) -> Iterator[str]:
    server = Refusing(delay)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server.url
    finally:
        server.close()
        thread.join()


@pytest.mark.parametrize("delay", [0.0, 0.001, 0.005])
@pytest.mark.parametrize("head", [CHUNKED, LENGTH], ids=["chunked", "length"])
async def test_a_refusal_comes_through_before_the_reset(head: bytes, delay: float) -> None:
    with refusing(delay) as url:
        async with proxied(url) as proxy:
            for _ in range(ROUNDS):
                async with await proxy.connect() as client:
                    response = await uploaded(client, head)
                    assert (response.status, response.ended) == (413, "complete")
                    assert response.body == b"too large" * 1000


@pytest.mark.parametrize("head", [CHUNKED, LENGTH], ids=["chunked", "length"])
async def test_a_refusal_in_parts_comes_through_too(head: bytes) -> None:
    script = ["read-nothing", REFUSED[:100], 0.01, REFUSED[100:], "fin"]
    async with fronted(script) as (_, proxy):
        for _ in range(ROUNDS):
            async with await proxy.connect() as client:
                response = await uploaded(client, head)
                assert (response.status, response.ended) == (413, "complete")


@pytest.mark.parametrize("size", [1, 300_000])
async def test_what_has_come_over_tls_is_read_when_a_write_has_failed(
    tmp_path: Path, size: int
) -> None:
    """A failed write ends the connection: what had come is read below TLS (``net/below_tls``).

    Tickets of the session come before the answer, in a record of their own.
    """
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command is not installed")
    tls = Authority(tmp_path).server()
    listener = socket.create_server(("127.0.0.1", 0))
    heard, go = threading.Event(), threading.Event()

    def refuse() -> None:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with tls.wrap_socket(connection, server_side=True) as accepted:
            accepted.recv(1)
            heard.set()
            go.wait(30)
            accepted.sendall(REFUSED)

    server = threading.Thread(target=refuse)
    server.start()
    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    async with connected_to(url, ssl=False) as protocol:
        protocol.begin(bodiless=False)
        protocol.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        assert await asyncio.to_thread(heard.wait, 30)
        protocol.send_more(b"unread, for which the close is a reset")
        go.set()
        server.join()  # the loop stands still: it has read nothing of the answer
        body = BytesBody(b"x" * size, b"", size)
        await RequestBodySender(body, protocol, TimeoutsOptions()).run()
        async with asyncio.timeout(30):
            message, _ = await protocol.read()
    assert message.code == 413
    listener.close()


@pytest.mark.parametrize("length", [4, None])
async def test_what_was_sent_is_let_go_of_while_the_client_sends_no_more(
    length: int | None,
) -> None:
    async with RawUpstream(["hold"]) as upstream, connected_to(upstream.url) as protocol:
        body = Stalling()
        body.length = length
        sender = RequestBodySender(cast(Body, body), protocol, TimeoutsOptions())
        sending = asyncio.create_task(sender.run())
        await body.awaited.wait()
        assert not body.held
        body.more.set()
        await sending


class Kernel:
    """A connection whose peer takes what a test says."""

    error: Exception | None = None

    def __init__(self, loop: JumpingLoop, *, awaiting: bool, left: int = 0) -> None:
        self._loop = loop
        self.awaiting_head = awaiting
        self.timer = RearmableTimer(loop, self._due)
        self.left = left
        self.failed_at = 0.0

    def arm(self, seconds: float, due: Callable[[], Exception | None]) -> None:
        self._late = due
        self.timer.arm(self._loop.time() + seconds)

    def _due(self) -> None:
        if self.error is None:
            self.error = self._late()
            self.failed_at = self._loop.time()

    def unsent(self) -> int:
        return self.left


def sending(kernel: Kernel) -> RequestBodySender:
    timeouts = TimeoutsOptions(first_byte=Duration(10.0))
    return RequestBodySender(BytesBody(), cast(UpstreamProtocol, kernel), timeouts)


@pytest.mark.parametrize(("awaiting", "failed"), [(True, True), (False, False)])
async def test_what_waits_in_a_pipe_is_on_the_clock_until_the_head_has_come(
    awaiting: bool, failed: bool, jumping: JumpingLoop
) -> None:
    kernel = Kernel(jumping, awaiting=awaiting)
    sender = sending(kernel)
    sender.blocked(3000)
    await asyncio.sleep(9)
    sender.blocked(2000)  # slow is not stuck
    await asyncio.sleep(9)
    sender.blocked(0)
    await asyncio.sleep(30)  # the client is waited for
    assert kernel.error is None
    sender.blocked(1000)
    await asyncio.sleep(11)
    assert isinstance(kernel.error, ResponseTimeout) == failed
    kernel.timer.close()


@pytest.mark.parametrize("left", [0, 40], ids=["all", "some"])
async def test_a_server_that_takes_nothing_more_has_little_more_than_its_time(
    left: int, jumping: JumpingLoop
) -> None:
    kernel = Kernel(jumping, awaiting=True, left=100)
    await sending(kernel).run()
    await asyncio.sleep(1)
    kernel.left = left
    last = jumping.time()
    await asyncio.sleep(100)
    assert isinstance(kernel.error, ResponseTimeout)
    assert last + 10 <= kernel.failed_at <= last + 12.5
    kernel.timer.close()
