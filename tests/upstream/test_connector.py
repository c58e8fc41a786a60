"""How connections to upstreams are made."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import (
    BaseConnector,
    ClientConnectionError,
    ClientConnectorError,
    ClientRequest,
    ClientTimeout,
    TCPConnector,
)
from yarl import URL

from proxy.core.errors import TlsFailed
from proxy.upstream.connector import FIRST_WORDS, Connector, UnixConnector, install
from proxy.upstream.http1.protocol import UpstreamProtocol
from proxy.upstream.translate import connect_error
from tests.support.garbage import collector_off
from tests.support.message import OK
from tests.support.upstream import PATIENCE, RawUpstream, closed_port


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


@pytest.mark.parametrize("words", [b"", b"PROXY UNKNOWN\r\n"])
@pytest.mark.parametrize("end", ["rst", "fin"])
async def test_a_connection_that_ends_before_tls_begins_is_given_up_at_once(
    end: str, words: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """MagicStack/uvloop#506: a transport that is closed may not be written to.

    A handshake on it was told to the log as an error of the loop.
    """
    connect = TCPConnector._wrap_create_connection

    async def ends(*args: Any, **kwargs: Any) -> Any:
        tcp, protocol = await connect(*args, **kwargs)
        async with asyncio.timeout(PATIENCE):
            while not tcp.is_closing():  # noqa: ASYNC110 - nobody notifies
                await asyncio.sleep(0.001)
        return tcp, protocol

    monkeypatch.setattr(TCPConnector, "_wrap_create_connection", ends)
    FIRST_WORDS.set(words)  # for this test's task alone
    async with RawUpstream(greeting=[end]) as upstream:
        connector = Connector(force_close=True)
        install(connector)
        url = URL(upstream.url).with_scheme("https")
        template = ClientRequest("GET", url, loop=asyncio.get_running_loop(), ssl=False)
        with pytest.raises(ClientConnectorError) as caught:
            async with asyncio.timeout(PATIENCE):
                await connector.connect(template, [], ClientTimeout())
        failed = connect_error(caught.value, tls=True, looking_up=False)
        assert isinstance(failed, TlsFailed)
        assert failed.detail.endswith("failed: the server ended the connection at once")
        await connector.close()
    assert not caplog.records


@pytest.mark.parametrize("way", ["plain", "unix", "tls"])
async def test_an_attempt_that_is_cancelled_as_its_connection_stands_leaves_nothing(
    way: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A copy lost, a client left: uvloop closes such a connection and tells its protocol nothing.

    So the protocol and its clock held each other until a full collection. Over TLS the server does
    not shake hands.
    """

    def connection_made(protocol: UpstreamProtocol, transport: asyncio.BaseTransport) -> None:
        made(protocol, transport)
        connecting[0].cancel()

    made = UpstreamProtocol.connection_made
    monkeypatch.setattr(UpstreamProtocol, "connection_made", connection_made)
    connecting: list[asyncio.Task[Any]] = []
    path = str(tmp_path / "api") if way == "unix" else ""
    async with RawUpstream(path=path) as upstream:
        connector: BaseConnector = UnixConnector(path) if path else Connector(force_close=True)
        install(connector)
        url = URL("http://api" if path else upstream.url)
        if way == "tls":
            url = url.with_scheme("https")
        template = ClientRequest("GET", url, loop=asyncio.get_running_loop(), ssl=False)
        for times in (1, 2):
            with collector_off() as found:
                task = asyncio.ensure_future(connector.connect(template, [], ClientTimeout()))
                connecting[:] = [task]
                async with asyncio.timeout(PATIENCE):
                    while len(upstream.connections) < times:  # noqa: ASYNC110 - nobody notifies
                        await asyncio.sleep(0.001)
                    if way == "tls":
                        await upstream.connections[-1].until(
                            lambda: bool(upstream.connections[-1].received)
                        )
                        task.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await task
                    connecting.clear()
                    del task
                    await upstream.connections[-1].closed.wait()
                await asyncio.sleep(0.01)
                assert times == 1 or found() == {}
        await connector.close()
