"""A drain leaves a client the time to read what it was answered.

A server that answers before it has read the request ends the connection (RFC 9112 9.3, 9.6): the
proxy has written the whole reply, drops what still comes and closes when the client has taken it.
Nothing is asked on such a connection, but to close it at once would reset it, and the kernel throws
away what the client has not taken.
"""

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest

from tests.support.client import RawClient
from tests.support.message import get, length
from tests.support.proxy import Proxy, dialled, fronted
from tests.support.upstream import PATIENCE

BODY = b"too large " * 20_000
REFUSED = length(BODY, b"413 Content Too Large")
HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"


async def send_on(client: RawClient) -> None:
    """The rest of the upload, whatever becomes of it."""
    with contextlib.suppress(OSError):
        for _ in range(100):
            await client.send(b"x" * 1000)


@pytest.mark.parametrize("sends_on", [True, False])
async def test_a_reply_that_was_written_is_read_whole(sends_on: bool) -> None:
    async with (
        fronted(["read-nothing", REFUSED], shutdown={"grace_period": "30s"}) as (_, proxy),
        await proxy.connect(receive_buffer=4096) as client,
    ):
        await client.send(HEAD)
        await proxy.record()
        drain = asyncio.ensure_future(proxy.runtime.drain())
        await proxy.breathe()
        if sends_on:
            await send_on(client)
        response = await client.receive()
        assert (response.status, response.ended) == (413, "complete")
        assert response.body == BODY
        client.close()
        assert await drain


LAST = get(fields=b"Connection: close\r\n")


async def over(proxy: Proxy) -> None:
    """Nothing is in flight, once the client's kernel has said what it has: within 40 ms."""
    async with asyncio.timeout(PATIENCE):
        while any(proxy.runtime.under_way):  # noqa: ASYNC110 - kernels notify nobody
            await asyncio.sleep(0.001)


@pytest.fixture
def open_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over stays open for as long as its client keeps its end."""
    monkeypatch.setattr("proxy.edge.http1.write_stall.LINGER", 600.0)


@pytest.mark.usefixtures("open_ended")
async def test_one_that_was_read_whole_is_in_flight_no_more() -> None:
    """Its client keeps its own end open for a moment: a stop cut it, and ended with 1."""
    async with dialled([length(b"ok")], shutdown={"grace_period": "1ms"}) as (_, proxy, client):
        assert (await client.ask(LAST)).body == b"ok"
        assert await client.closed() == "fin"
        await over(proxy)
        assert await proxy.runtime.drain()


@pytest.mark.usefixtures("open_ended")
async def test_one_that_is_still_being_read_is_in_flight() -> None:
    async with (
        fronted([length(BODY)], shutdown={"grace_period": "1ms"}) as (_, proxy),
        await proxy.connect(receive_buffer=4096) as client,
    ):
        await client.send(LAST)
        assert (await proxy.record()).status == 200
        assert proxy.runtime.under_way.requests == 1
        response = await client.receive()
        assert response.body == BODY
        assert await client.closed() == "fin"
        await over(proxy)
        assert await proxy.runtime.drain()


async def test_one_that_waits_in_a_unix_socket_is_in_flight_no_more(tmp_path: Path) -> None:
    """What is in it can be read after the end of the process: a stop waited, and ended with 1."""
    path = f"{tmp_path}/proxy.sock"
    tables = {"server": {"listen": f"unix:{path}"}, "shutdown": {"grace_period": "100s"}}
    async with fronted([length(b"ok")], **tables) as (_, proxy):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.send(LAST)
            assert (await proxy.record()).status == 200
            await over(proxy)
            async with asyncio.timeout(PATIENCE):
                assert await proxy.runtime.drain()
            assert client.recv(10_000).endswith(b"\r\n\r\nok")


async def test_one_that_finds_no_room_in_a_unix_socket_is_in_flight(tmp_path: Path) -> None:
    path = f"{tmp_path}/proxy.sock"
    whole = BODY * 20
    tables = {"server": {"listen": f"unix:{path}"}, "shutdown": {"grace_period": "30s"}}
    async with (
        fronted([length(whole)], **tables) as (_, proxy),
        await RawClient.connect(path) as client,
    ):
        await client.send(LAST)
        async with asyncio.timeout(PATIENCE):
            while not proxy.runtime.under_way.requests:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.001)
        drain = asyncio.ensure_future(proxy.runtime.drain())
        assert (await client.receive()).body == whole
        assert await drain


@pytest.mark.usefixtures("open_ended")
async def test_one_whose_upload_is_ignored_is_in_flight_until_its_client_leaves() -> None:
    """It has its reply, but to close on it now would reset it."""
    async with dialled(
        ["read-nothing", length(b"no", b"413 Content Too Large")],
    ) as (_, proxy, client):
        await client.send(HEAD)
        assert (await client.receive()).status == 413
        await asyncio.sleep(0.1)  # longer than a kernel takes to say that all has been read
        assert proxy.runtime.under_way.requests == 1
        client.close()
        await over(proxy)
