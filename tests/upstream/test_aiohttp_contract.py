"""What ``upstream/http1/protocol.py`` uses of aiohttp beyond its documented API.

A new aiohttp that changes any of this fails here first, loudly, and not in somebody's traffic.
"""

import asyncio
import inspect
import socket
from typing import Any

import aiohttp
import pytest
from aiohttp import (
    BaseConnector,
    ClientConnectionError,
    ClientConnectorError,
    ClientRequest,
    ClientTimeout,
    ServerDisconnectedError,
    TCPConnector,
)
from aiohttp.client_proto import ResponseHandler
from aiohttp.streams import StreamReader
from yarl import URL

from proxy.upstream.connector import Connector, install
from proxy.upstream.http1.protocol import UpstreamProtocol
from tests.support.message import OK
from tests.support.upstream import RawUpstream, closed_port


def test_connector_connect_takes_a_request_traces_and_a_timeout() -> None:
    parameters = list(inspect.signature(BaseConnector.connect).parameters)
    assert parameters == ["self", "req", "traces", "timeout"]


@pytest.mark.parametrize(
    "name",
    [
        *("_drain_helper", "data_received", "feed_data", "set_exception", "force_close", "abort"),
        *("pause_reading", "_pause_transport_reading"),
        *("_pause_reading_for_buffer", "_resume_reading_for_buffer"),
    ],
)
def test_the_protocol_has_the_methods_we_override_or_call(name: str) -> None:
    assert callable(getattr(ResponseHandler, name))


async def test_what_follows_a_101_is_kept_in_the_tail() -> None:
    handler = ResponseHandler(asyncio.get_running_loop())
    assert (handler._tail, handler._upgraded, handler._reading_paused) == (b"", False, False)
    assert handler._payload is None


@pytest.mark.parametrize(
    "name",
    [
        "_buffer",
        "_size",
        "_high_water",
        "_read_nowait",
        "readany",
        "is_eof",
        "feed_data",
        "total_bytes",
    ],
)
def test_the_stream_reader_has_what_we_read(name: str) -> None:
    assert hasattr(StreamReader, name)


async def test_a_connector_makes_connections_of_ours() -> None:
    async with RawUpstream() as upstream:
        connector = TCPConnector(limit=0)
        install(connector)
        request = ClientRequest("GET", URL(upstream.url))
        timeout = ClientTimeout(connect=1, ceil_threshold=float("inf"))
        connection = await connector.connect(request, [], timeout)
        protocol = connection.protocol
        assert isinstance(protocol, UpstreamProtocol)
        assert protocol.checkout()
        for reused in (False, True):
            assert protocol.reused is reused
            protocol.begin(bodiless=False)
            assert protocol.transport is not None
            protocol.transport.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            message: Any
            message, _ = await protocol.read()
            assert message.code == 200
            assert message.fields[0][0] == b"Content-Length"
            assert protocol.buffered == OK.partition(b"\r\n\r\n")[2]
            assert not protocol.should_close
            protocol.park(10)
            assert protocol.checkout()
        connection.close()
        await upstream.connections[0].closed.wait()
        await connector.close()


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


def test_the_version_is_new_enough() -> None:
    """3.14.4 mends a false ContentLengthError of slow readers (aiohttp 13348)."""
    assert tuple(int(part) for part in aiohttp.__version__.split(".")[:3]) >= (3, 14, 4)


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


def test_the_connector_asks_one_method_for_the_connection_itself() -> None:
    parameters = inspect.signature(TCPConnector._wrap_create_connection).parameters
    assert list(parameters) == [
        "self",
        "args",
        "addr_infos",
        "req",
        "timeout",
        "client_error",
        "kwargs",
    ]
    source = inspect.getsource(TCPConnector._create_direct_connection)
    assert "await self._wrap_create_connection(\n                    self._factory," in source


@pytest.mark.parametrize(("host", "raced"), [("127.0.0.1", False), ("[::1]", True)])
async def test_only_what_needs_a_race_is_raced(
    host: str, raced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop connects to a plain IPv4 address at a third of the cost."""
    races: list[object] = []

    async def race(**options: object) -> socket.socket:
        races.append(options["addr_infos"])
        raise OSError("raced")

    monkeypatch.setattr("aiohappyeyeballs.start_connection", race)
    connector = Connector(force_close=True)
    install(connector)
    async with RawUpstream() as upstream, aiohttp.ClientSession(connector=connector):
        url = URL(f"http://{host}:{upstream.port}")
        request = ClientRequest("GET", url, loop=asyncio.get_running_loop())
        if raced:
            with pytest.raises(ClientConnectionError):
                await connector.connect(request, [], ClientTimeout())
        else:
            connection = await connector.connect(request, [], ClientTimeout())
            assert isinstance(connection.protocol, UpstreamProtocol)
            connection.close()
    assert bool(races) is raced


async def test_what_the_loop_says_of_a_connection_is_an_error_of_aiohttps() -> None:
    connector = Connector(force_close=True)
    install(connector)
    async with aiohttp.ClientSession(connector=connector):
        url = URL(f"http://127.0.0.1:{closed_port()}")
        request = ClientRequest("GET", url, loop=asyncio.get_running_loop())
        with pytest.raises(ClientConnectorError) as caught:
            await connector.connect(request, [], ClientTimeout())
    assert isinstance(caught.value.os_error, ConnectionRefusedError)
