"""What is asked of the kernel about sockets."""

import asyncio
import socket
import sys

import pytest

from proxy.net.sockets import SILENT, acknowledge, ask_when_silent, drop_handshakes, unread


def pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        return client, listening.accept()[0]


def test_bytes_that_nobody_has_read_are_seen_and_an_end_is_none() -> None:
    client, server = pair()
    with client, server:
        assert not unread(server)
        client.sendall(b"GET")
        assert unread(server)
        server.recv(3)
        client.shutdown(socket.SHUT_WR)
        assert not unread(server)
    assert not unread(server)  # closed


def test_a_silent_peer_is_asked_over_tcp_alone_and_never_once_it_is_gone() -> None:
    client, server = pair()
    with client, server:
        ask_when_silent(client, SILENT)
        assert client.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    ask_when_silent(client, SILENT)  # closed
    ask_when_silent(None, SILENT)
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        ask_when_silent(one, SILENT)
        assert not one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


@pytest.mark.skipif(sys.platform != "linux", reason="a filter of Linux")
@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
async def test_who_has_begun_to_connect_is_let_in_and_nobody_after_that(
    family: socket.AddressFamily, host: str
) -> None:
    loop = asyncio.get_running_loop()
    with (
        socket.create_server((host, 0), family=family) as listening,
        socket.create_connection(listening.getsockname()[:2]) as early,
        socket.socket(family) as late,
    ):
        drop_handshakes(listening)
        late.setblocking(False)
        connecting = asyncio.ensure_future(loop.sock_connect(late, listening.getsockname()))
        await asyncio.sleep(0.01)
        assert not connecting.done()
        server, _ = listening.accept()
        with server:
            early.sendall(b"hello")
            assert server.recv(5) == b"hello"
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()
        listening.close()
        with pytest.raises(ConnectionRefusedError):  # when its kernel tries again, a second later
            await connecting


def test_of_a_connection_that_has_ended_nobody_is_told() -> None:
    acknowledge(None)
