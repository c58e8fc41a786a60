"""Where a segment ends changes nothing, also between pipelined requests.

A method that the parser does not know is parsed as another one; the start of a head was mistaken
where part of the next head had come with the request before it.
"""

import asyncio

import pytest

from tests.support.message import get
from tests.support.proxy import dialled, fronted
from tests.support.upstream import HEALTHY

FIRST = get("/1")
SECOND = b"GET /2 HTTP/1.1\r\nHost: proxy.test\r\nX-Text: hello my world\r\n\r\n"
UPLOAD = b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize("first", [FIRST, UPLOAD])
@pytest.mark.parametrize("cut", [2, 4, 16, 50, len(SECOND) - 2])
async def test_the_rest_of_a_head_is_not_taken_for_a_method(first: bytes, cut: int) -> None:
    async with dialled() as (upstream, _, client):
        await client.send(first + SECOND[:cut])
        assert (await client.receive()).status == 200
        await client.send(SECOND[cut:])
        assert (await client.receive()).status == 200
        assert upstream.requests[1].line == b"GET /2 HTTP/1.1"
        assert upstream.requests[1].head.value("X-Text") == b"hello my world"


async def test_a_second_head_that_has_begun_has_its_clock() -> None:
    options = {"server": {"request_headers_timeout": "100ms"}}
    async with dialled(**options) as (_, _, client):
        await client.send(FIRST + SECOND[:20])
        assert (await client.receive()).status == 200
        assert (await client.receive()).status == 408


@pytest.mark.parametrize("method", [b"GET", b"BREW"])
async def test_empty_lines_before_a_request_are_ignored(method: bytes) -> None:
    options = {"server": {"request_headers_timeout": "50ms"}}
    async with dialled(**options) as (upstream, _, client):
        assert (await client.ask(UPLOAD)).status == 200
        await client.send(b"\r\n")
        await asyncio.sleep(0.1)
        response = await client.ask(FIRST.replace(b"GET", method))
        assert (response.status, len(upstream.requests)) == (200, 2)
        assert upstream.requests[1].line == method + b" /1 HTTP/1.1"


async def test_a_client_that_leaves_its_pipeline_is_noticed() -> None:
    async with fronted(["hold"], HEALTHY) as (upstream, proxy):
        client = await proxy.connect()
        await client.send(FIRST * 200)
        await upstream.until(lambda: len(upstream.requests) == 1)
        client.close()
        await upstream.until(upstream.connections[0].closed.is_set)
        assert (await proxy.record()).status == 499
