"""Requests as aiohttp and the application around the proxy leave them."""

import asyncio
import gzip
import hashlib
import io
import os
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.support.client import RawClient
from tests.support.message import post
from tests.support.mounted import OK, mounted, served, tables
from tests.support.process import PATIENCE
from tests.support.upstream import RawUpstream


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
        async with asyncio.timeout(PATIENCE):
            while not upstream.requests:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await client.send(body)
        response = await client.receive()
        assert response.status in (100, 200)
