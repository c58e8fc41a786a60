"""Requests as aiohttp and the application around the proxy leave them."""

import gzip
import hashlib
import io
import os
import zlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from proxy import create_app
from tests.support.client import RawClient
from tests.support.message import post
from tests.support.mounted import OK, mounted, served, tables
from tests.support.upstream import RawUpstream

CHUNKED = (
    b"POST /api HTTP/1.1\r\nHost: a\r\n%bTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
)
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: %b\r\nHTTP2-Settings: AAMAAABk\r\n"


async def test_large_bodies_go_both_ways_and_are_waited_for() -> None:
    body = os.urandom(5 << 20)

    async def echo(connection: Any, request: Any) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(request.body)
        await connection.send(head)
        await connection.send(request.body)

    async with (
        RawUpstream(("wait-body", echo)) as upstream,
        served(mounted(tables(upstream), "/api")) as (host, port),
        aiohttp.ClientSession() as session,
    ):
        for data in (io.BytesIO(body), _pieces(body)):
            async with session.post(f"http://{host}:{port}/api", data=data) as response:
                found = await response.read()
        assert hashlib.sha256(found).digest() == hashlib.sha256(body).digest()
        assert [request.framing for request in upstream.requests] == ["length", "chunked"]


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 100_000):
        yield body[start : start + 100_000]


@pytest.mark.parametrize("plain", [True, False])
async def test_a_compressed_body_and_its_fields_agree(plain: bool) -> None:
    """aiohttp decompresses, unless its server is told not to."""
    packed = gzip.compress(b"hello" * 1000)
    async with (
        RawUpstream() as upstream,
        served(mounted(tables(upstream), "/api"), auto_decompress=plain) as address,
        await RawClient.connect(address) as client,
    ):
        assert (await client.ask(post(packed, "/api", b"Content-Encoding: gzip\r\n"))).status == 200
        asked = upstream.requests[0]
        assert asked.body == (b"hello" * 1000 if plain else packed)
        assert asked.head.value("Content-Encoding") == (None if plain else b"gzip")


async def test_an_upload_waits_for_100_continue_of_the_upstream() -> None:
    async with (
        RawUpstream((b"HTTP/1.1 100 Continue\r\n\r\n", "wait-body", OK)) as upstream,
        served(mounted(tables(upstream), "/api")) as address,
        await RawClient.connect(address) as client,
    ):
        head, _, body = post(b"hello", "/api", b"Expect: 100-continue\r\n").partition(b"\r\n\r\n")
        await client.send(head + b"\r\n\r\n")
        await upstream.until(lambda: upstream.requests)
        await client.send(body)
        response = await client.receive()
        assert response.status in (100, 200)


def around(upstream: RawUpstream, handle: Any) -> web.Application:
    """An application with this middleware around the proxy."""
    parent = web.Application(middlewares=[web.middleware(handle)])
    parent.add_subapp("/api", create_app(tables(upstream)))
    return parent


@pytest.mark.parametrize("data", [post(b"hello", "/api"), CHUNKED % b""])
async def test_a_body_that_a_middleware_has_read_is_sent(data: bytes) -> None:
    async def read(request: web.Request, handler: Any) -> Any:
        assert await request.read() == b"hello"
        return await handler(request)

    async with (
        RawUpstream(("wait-body", OK)) as upstream,
        served(around(upstream, read)) as address,
        await RawClient.connect(address) as client,
    ):
        for _ in range(2):
            assert (await client.ask(data)).status == 200
            assert upstream.requests[-1].body == b"hello"


async def test_a_compressed_body_that_a_middleware_has_read_is_sent_as_it_was_read() -> None:
    async def read(request: web.Request, handler: Any) -> Any:
        await request.read()
        return await handler(request)

    async with (
        RawUpstream(("wait-body", OK)) as upstream,
        served(around(upstream, read)) as address,
        await RawClient.connect(address) as client,
    ):
        data = post(gzip.compress(b"hello" * 1000), "/api", b"Content-Encoding: gzip\r\n")
        assert (await client.ask(data)).status == 200
        assert upstream.requests[0].body == b"hello" * 1000
        assert upstream.requests[0].head.value("Content-Encoding") is None


ASKING, _, BODY = post(b"hello", "/api", b"Expect: 100-continue\r\n").rpartition(b"\r\n\r\n")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def test_a_client_that_asks_first_is_told_to_go_on_by_whoever_reads() -> None:
    async def read(request: web.Request, handler: Any) -> Any:
        assert await request.read() == b"hello"
        return web.Response(text="mine") if request.path.endswith("own") else await handler(request)

    async with (
        RawUpstream(("wait-body", OK)) as upstream,
        served(around(upstream, read)) as address,
        await RawClient.connect(address) as client,
    ):
        for asking in (ASKING, ASKING.replace(b"/api", b"/api/own"), ASKING):
            await client.send(asking + b"\r\n\r\n")
            assert await client.read_until(CONTINUE) == CONTINUE
            await client.send(BODY)
            response = await client.receive()
            assert (response.status, response.interim) == (200, [])
        assert [request.body for request in upstream.requests] == [b"hello"] * 2


async def test_a_client_that_asks_first_is_not_told_to_go_on_behind_a_reply(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def answer(request: web.Request, handler: Any) -> Any:
        reply = web.StreamResponse(status=401)
        reply.force_close()
        await reply.prepare(request)
        if request.path.endswith("read"):
            await request.read()
        return reply

    async with RawUpstream() as upstream, served(around(upstream, answer)) as address:
        for path in (b"/api", b"/api/read"):
            async with await RawClient.connect(address) as client:
                await client.send(ASKING.replace(b"/api", path) + b"\r\n\r\n")
                await client.read_until(b"\r\n\r\n")
                await client.send(BODY)
                assert await client.rest() == b"0\r\n\r\n"
    assert "Unhandled" not in caplog.text


FORM = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n'


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_gone_in_part_is_refused(
    chunked: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def read(request: web.Request, handler: Any) -> Any:
        if request.content_type == "multipart/form-data":
            await request.post()
        else:
            await request.content.read(2)
        return await handler(request)

    async with RawUpstream() as upstream, served(around(upstream, read)) as address:
        form = post(FORM, "/api", b"Content-Type: multipart/form-data; boundary=b\r\n")
        for data in (CHUNKED % b"" if chunked else post(b"hello", "/api"), form):
            async with await RawClient.connect(address) as client:
                response = await client.ask(data)
                assert response.status == 500
                assert b"proxy_internal_error" in (response.value("Proxy-Status") or b"")
                assert "is gone: a middleware" in caplog.text
        assert not upstream.requests


async def test_a_body_that_a_middleware_has_only_looked_at_is_sent() -> None:
    async def look(request: web.Request, handler: Any) -> Any:
        with pytest.warns(DeprecationWarning, match="unread_data"):
            request.content.unread_data(await request.content.readany())
        return await handler(request)

    async with (
        RawUpstream(("wait-body", OK)) as upstream,
        served(around(upstream, look)) as address,
        await RawClient.connect(address) as client,
    ):
        assert (await client.ask(CHUNKED % b"")).status == 200
        assert upstream.requests[0].body == b"hello"


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"other/1"])
@pytest.mark.parametrize("data", [post(b"hello", "/api", UPGRADE), CHUNKED.replace(b"%b", UPGRADE)])
async def test_an_offer_to_upgrade_does_not_keep_a_body_back(data: bytes, protocol: bytes) -> None:
    async with (
        RawUpstream(("wait-body", OK)) as upstream,
        served(mounted(tables(upstream), "/api")) as address,
        await RawClient.connect(address) as client,
    ):
        for _ in range(2):
            assert (await client.ask(data.replace(b"%b", protocol))).status == 200
            asked = upstream.requests[-1]
            assert asked.body == b"hello"
            assert asked.head.value("Upgrade") is None


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
async def test_a_body_that_cannot_be_decompressed_is_refused_at_once(
    coding: bytes, length: bool, caplog: pytest.LogCaptureFixture
) -> None:
    packer = zlib.compressobj(wbits=31 if coding == b"gzip" else 15)
    pieces = [packer.compress(b"hello") + packer.flush(zlib.Z_SYNC_FLUSH), b"\xff" * 50]
    size = sum(map(len, pieces))
    head = b"Content-Length: %d\r\n" % size if length else b"Transfer-Encoding: chunked\r\n"
    if not length:
        pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    async with (
        RawUpstream(("wait-body", OK)) as upstream,
        served(mounted(tables(upstream, retry=False), "/api")) as address,
        await RawClient.connect(address) as client,
    ):
        head = b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Encoding: %b\r\n%b\r\n" % (coding, head)
        await client.send(head + pieces[0])
        await upstream.until(lambda: upstream.requests and upstream.requests[0].body)
        await client.send(pieces[1])
        response = await client.receive()
        assert response.status == 400
        await client.closed()
        await upstream.connections[0].closed.wait()
        assert (upstream.requests[0].body, upstream.requests[0].complete) == (b"hello", False)
        assert "Unhandled" not in caplog.text
