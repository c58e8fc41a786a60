"""Servers over TLS that close behind their reply, as nginx does: it is whole, however it is read.

A reply of 1 MB with ``Connection: close`` lost its end: what the loop had received when the FIN
came, and not passed on yet, it dropped.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.support.authority import Authority
from tests.support.client import PATIENCE, RawClient, Response
from tests.support.half_tls import HalfTls
from tests.support.message import get
from tests.support.proxy import Proxy, proxied
from tests.support.tls_client import TlsClient, encrypted, trusting

SIZES = [1_000_000, 12_000_000]
CLOSE = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


def length(body: bytes) -> bytes:
    """With its length."""
    return CLOSE + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def until_close(body: bytes) -> bytes:
    """That ends with its connection."""
    return CLOSE + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    """In chunks."""
    pieces = [body[at : at + 50_000] for at in range(0, len(body), 50_000)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return CLOSE + b"Transfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"


def numbered(size: int) -> bytes:
    """A body of which no part is like another."""
    return b"".join(b"%08d" % number for number in range(size // 8))


class Server:
    """Answers one request, and closes behind it; ``notify``: with a close_notify."""

    def __init__(self, authority: Authority, reply: bytes, *, notify: bool = True) -> None:
        self._context = authority.server()
        self._reply = reply
        self._notify = notify
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self.done = threading.Event()
        """All has been given to the kernel."""
        self.received = b""

    def serve(self) -> None:
        """In a thread."""
        sock, _ = self._listener.accept()
        # The end is on its way before the proxy has read much, whoever is the slower one.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        with sock:
            side = HalfTls(sock, self._context, server=True)
            side.read_until(b"\r\n\r\n")
            side.write(self._reply)
            with contextlib.suppress(OSError):  # the proxy may have all, and have left
                if self._notify:
                    side.end()
                else:
                    sock.shutdown(socket.SHUT_WR)
            self.done.set()
            with contextlib.suppress(OSError, ssl.SSLError):
                while side.receive():
                    pass


@contextlib.contextmanager
def serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        thread.join(PATIENCE)
        server._listener.close()


async def reply_of(
    authority: Authority, server: Server, *, late: bool, clients_tls: bool = False
) -> tuple[Response, Proxy]:
    """What a client gets; ``late``: it reads when all has been sent, or what fits."""
    tls = {"tls": {"ca_file": authority.path("ca.pem")}}
    tables = {"server": encrypted(authority)} if clients_tls else {}
    with serving(server):
        async with proxied(server.url, upstream_options=tls, **tables) as proxy:
            small = 4096 if late else 0
            if clients_tls:
                client: RawClient = await TlsClient.open(
                    proxy.address, trusting(authority), receive_buffer=small
                )
            else:
                client = await proxy.connect(receive_buffer=small)
            async with client:
                await client.send(get())
                if late:  # long ones do not fit into what lies between
                    await asyncio.to_thread(server.done.wait, 0.5)
                    await proxy.breathe()
                response = await client.receive()
            await proxy.record()
    return response, proxy


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("framed", [length, until_close, chunked])
async def test_a_reply_behind_which_the_server_closes_is_whole(
    authority: Authority, framed: Callable[[bytes], bytes], size: int, late: bool
) -> None:
    body = numbered(size)
    response, proxy = await reply_of(authority, Server(authority, framed(body)), late=late)
    assert (response.status, len(response.body), response.ended) == (200, size, "complete")
    assert response.body == body
    assert proxy.records[0].error == ""


@pytest.mark.parametrize("late", [False, True])
async def test_it_is_whole_for_a_client_over_tls(authority: Authority, late: bool) -> None:
    body = numbered(SIZES[0])
    server = Server(authority, length(body))
    response, _ = await reply_of(authority, server, late=late, clients_tls=True)
    assert (response.status, response.body == body, response.ended) == (200, True, "complete")


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("framed", "less", "notify"),
    [(until_close, 0, False), (length, 10, True), (length, 10, False), (chunked, 5, True)],
)
async def test_one_that_is_cut_is_cut(
    authority: Authority, framed: Callable[[bytes], bytes], less: int, notify: bool, late: bool
) -> None:
    """Only a close_notify ends a body without a length; all that came is passed on."""
    body = numbered(SIZES[0])
    reply = framed(body)
    server = Server(authority, reply[: len(reply) - less], notify=notify)
    response, proxy = await reply_of(authority, server, late=late)
    assert response.ended != "complete"
    assert proxy.records[0].error
    assert body.startswith(response.body)
    if framed is length:
        assert len(response.body) == SIZES[0] - less
