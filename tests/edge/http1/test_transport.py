"""A client's transport by itself: whom it says it is, what it writes, and how it ends."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from proxy.core.duration import Duration
from proxy.edge.connections import ConnectionTracker
from proxy.edge.http1.transport import ClientTransport
from proxy.edge.options import ServerOptions

PATIENCE = 30.0
LOCAL = ("127.0.0.1", 0)


class Side(ClientTransport):
    """A transport on which nobody speaks HTTP; it keeps what comes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.came = bytearray()
        self.ended = asyncio.Event()

    async def start(self) -> None:
        """Serve nothing."""

    def data_received(self, data: bytes) -> None:
        self.came += data

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.ended.set()


class Pair:
    """Our side, and the client's socket."""

    def __init__(self) -> None:
        self.tracker = ConnectionTracker(10)
        self.sides: list[Side] = []

    async def open(self, **options: Any) -> tuple[Side, socket.socket]:
        async def nothing(_: web.BaseRequest) -> web.Response:
            raise AssertionError("nobody asks")

        server = web.Server(nothing)

        def make() -> Side:
            self.sides.append(Side(server, ServerOptions(**options), self.tracker))
            return self.sides[-1]

        loop = asyncio.get_running_loop()
        listener = socket.create_server(LOCAL)
        client = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
        listener.close()
        await loop.connect_accepted_socket(make, ours)
        client.setblocking(False)
        return self.sides[-1], client


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    made = Pair()
    yield made
    for side in made.sides:
        if side.transport is not None:
            side.transport.abort()
            await side.ended.wait()
    made.tracker.close()


async def heard(client: socket.socket, size: int = 1 << 16) -> bytes:
    async with asyncio.timeout(PATIENCE):
        return await asyncio.get_running_loop().sock_recv(client, size)


async def test_it_says_who_is_there(pair: Pair) -> None:
    side, client = await pair.open()
    with client:
        assert (side.peer, side.sender, side.scheme, side.identity) == (
            "127.0.0.1",
            "127.0.0.1",
            "http",
            [],
        )
        assert not side.gone
        assert not side.unfinished  # no request has come
        side.hang_up()
        assert not side.unfinished  # nothing was said


async def test_alone_it_knows_of_no_request(pair: Pair) -> None:
    """So a FIN means that the client has left."""
    side, client = await pair.open()
    client.shutdown(socket.SHUT_WR)
    async with asyncio.timeout(PATIENCE):
        await side.ended.wait()
    client.close()
    assert side.gone


async def test_what_is_put_arrives_and_nothing_can_be_put_behind_the_end(pair: Pair) -> None:
    side, client = await pair.open()
    with client:
        side.put(b"hello")
        assert await heard(client) == b"hello"
        await side.drained()
        side.cut(reset=False)
        assert await heard(client) == b""
        with pytest.raises(ConnectionResetError):
            side.put(b"more")


@pytest.mark.parametrize("reset", [True, False])
async def test_a_cut_is_a_reset_only_where_an_end_would_lie(pair: Pair, reset: bool) -> None:
    side, client = await pair.open()
    with client:
        side.put(b"some")
        assert await heard(client) == b"some"
        side.cut(reset=reset)
        if reset:
            with pytest.raises(ConnectionResetError):
                await heard(client)
        else:
            assert await heard(client) == b""


async def test_who_hangs_up_reads_on_so_that_its_last_words_arrive(pair: Pair) -> None:
    side, client = await pair.open()
    with client:
        client.send(b"x" * 1000)
        side.put(b"refused")
        side.hang_up()
        assert await heard(client) == b"refused"
        assert await heard(client) == b""  # a FIN, and no reset for what came meanwhile
        client.send(b"y" * 1000)
        async with asyncio.timeout(PATIENCE):
            while len(side.came) < 2000:  # noqa: ASYNC110 - nobody notifies tests
                await asyncio.sleep(0.001)


async def test_an_end_behind_bytes_that_are_not_read_is_seen(pair: Pair) -> None:
    side, client = await pair.open()
    side._pause_transport_reading()
    client.send(b"unread")
    client.close()
    async with asyncio.timeout(PATIENCE):
        await side.ended.wait()
    assert side.came == b""


async def test_a_client_that_takes_nothing_is_cut(pair: Pair) -> None:
    side, client = await pair.open(write_idle_timeout=Duration(0.05))
    with client:
        assert side.transport is not None
        side.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, 4096
        )
        side.put(b"x" * 20_000_000)
        async with asyncio.timeout(PATIENCE):
            while not side.writing_paused:  # noqa: ASYNC110 - nobody notifies tests
                await asyncio.sleep(0.001)
        async with asyncio.timeout(PATIENCE):
            await side.drained()
            await side.ended.wait()
        with pytest.raises(ConnectionError):
            side.put(b"more")


async def test_another_protocol_takes_over_with_what_came_early(pair: Pair) -> None:
    side, client = await pair.open()

    class Echo(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            transport.write(data)

        def connection_lost(self, exc: Exception | None) -> None:
            side.connection_lost(exc)

    with client:
        transport, early = side.take_over(Echo())
        assert early == b""
        client.send(b"ping")
        assert await heard(client) == b"ping"
        assert side.came == b""
        transport.abort()


async def test_nothing_takes_over_a_connection_that_has_ended(pair: Pair) -> None:
    side, client = await pair.open()
    client.close()
    async with asyncio.timeout(PATIENCE):
        await side.ended.wait()
    with pytest.raises(ConnectionResetError):
        side.take_over(asyncio.Protocol())
