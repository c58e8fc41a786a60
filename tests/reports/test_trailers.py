"""Trailers are passed on as trailers or not at all: the message has ended before them.

nginx/nginx#1115 (a Content-Length in a reply's trailer cut the whole reply), RFC 9110 6.5.
"""

import asyncio
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.message import CHUNKED_HEAD, chunked, get, length
from tests.support.proxy import dialled, fronted, proxied
from tests.support.upstream import HEALTHY, RawUpstream

TAKES = b"TE: trailers\r\nConnection: TE\r\n"
FORBIDDEN = b"Content-Length: 0\r\nTransfer-Encoding: gzip\r\nSet-Cookie: a=b\r\nAge: 1\r\n"
ANNOUNCED = CHUNKED_HEAD.replace(b"\r\n\r\n", b"\r\nTrailer: X-Sum, Content-Length\r\n\r\n")


async def asked(upstream: RawUpstream, number: int) -> None:
    """Wait for so many requests."""
    await upstream.until(lambda: len(upstream.requests) == number)


def ended(trailers: bytes) -> bytes:
    return chunked(b"hello", end=b"0\r\n" + trailers + b"\r\n")


@pytest.mark.parametrize("trailers", [FORBIDDEN, b"Content-Length: 0\r\n", b"X-Sum: 1\r\n", b""])
@pytest.mark.parametrize("te", [b"", TAKES])
@pytest.mark.parametrize("pause", [0.0, 0.01])
async def test_fields_in_a_trailer_change_nothing(trailers: bytes, te: bytes, pause: float) -> None:
    body = ended(trailers)
    async with dialled([CHUNKED_HEAD + body[:9], pause, body[9:]]) as (upstream, _, client):
        for _ in range(2):  # and the connections are as good as before
            response = await client.ask(get(fields=te))
            assert (response.status, response.body, response.ended) == (200, b"hello", "complete")
            assert response.framing == "chunked"
            assert response.values("Content-Length") == response.values("X-Sum") == []
            wanted = [b"X-Sum: 1"] if te and b"X-Sum" in trailers else []
            assert response.chunks.trailers == wanted
        assert len(upstream.connections) == 1


@pytest.mark.parametrize("pause", [0.0, 0.01])
async def test_a_client_that_takes_trailers_is_told_and_given_them(pause: float) -> None:
    body = ended(b"X-Sum: caf\xe9 \r\n" + FORBIDDEN + b"X-Sum:\r\n")
    async with fronted([ANNOUNCED + body[:4], pause, body[4:]]) as (upstream, proxy):
        response = await proxy.ask(get(fields=TAKES))
        assert response.values("Trailer") == [b"X-Sum"]
        assert response.chunks.trailers == [b"X-Sum: caf\xe9", b"X-Sum: "]
        assert upstream.requests[0].head.values("TE") == [b"trailers"]
        assert upstream.requests[0].head.values("Connection") == [b"TE"]


@pytest.mark.parametrize("te", [b"", b"TE: gzip\r\n"])
async def test_a_client_that_does_not_ask_gets_none(te: bytes) -> None:
    async with fronted([ANNOUNCED + ended(b"X-Sum: 1\r\n")]) as (upstream, proxy):
        response = await proxy.ask(get(fields=te))
        assert (response.values("Trailer"), response.chunks.trailers) == ([], [])
        assert upstream.requests[0].head.values("TE") == []


async def test_a_client_of_http_1_0_gets_none() -> None:
    async with fronted([ANNOUNCED + ended(b"X-Sum: 1\r\n")]) as (_, proxy):
        response = await proxy.ask(get(fields=TAKES).replace(b"1.1", b"1.0"))
        assert (response.framing, response.body) == ("close", b"hello")


async def test_trailers_of_one_reply_are_not_those_of_the_next() -> None:
    async with dialled(
        [ANNOUNCED + ended(b"X-Sum: 1\r\n")],
        [CHUNKED_HEAD + ended(b"")],
    ) as (upstream, _, client):
        found = [(await client.ask(get(fields=TAKES))).chunks.trailers for _ in range(2)]
        assert found == [[b"X-Sum: 1"], []]
        assert len(upstream.connections) == 1


@pytest.mark.parametrize("pause", [False, True])
async def test_trailers_of_a_request_go_on(pause: bool) -> None:
    head = (
        b"POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum, Host\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    body = ended(b"X-Sum: 1\r\n" + FORBIDDEN + b"X-Forwarded-For: 6.6.6.6\r\n")
    async with dialled(HEALTHY) as (upstream, _, client):
        for number in range(2):
            if pause:
                await client.send(head + body[:6])
                await asked(upstream, number + 1)
                await client.send(body[6:])
            else:
                await client.send(head + body)
            assert (await client.receive()).status == 200
            request = upstream.requests[number]
            assert request.body == b"hello"
            assert request.chunks.trailers == [b"X-Sum: 1"]
            assert request.head.values("Trailer") == [b"X-Sum"]
            assert request.complete
        assert len(upstream.connections) == 2  # none is used again behind trailers


@pytest.mark.parametrize("pause", [False, True])
@pytest.mark.parametrize("end", [b"0\r\n\r\n", b"0\r\n" + FORBIDDEN + b"\r\n"])
async def test_where_none_goes_on_the_connection_does(pause: bool, end: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with dialled(HEALTHY) as (upstream, _, client):
        for number in range(2):
            await client.send(head + b"5\r\nhello\r\n" + (b"" if pause else end))
            if pause:
                await asked(upstream, number + 1)
                await client.send(end)
            assert (await client.receive()).status == 200
        assert len(upstream.connections) == 1


async def test_trailers_behind_the_head_of_their_reply_end_their_connection_too() -> None:
    early = [CHUNKED_HEAD + b"5\r\nearly\r\n", "wait-body", b"0\r\n\r\n"]
    async with dialled(early, HEALTHY) as (upstream, proxy, client):
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        await client.send(b"5\r\nhello\r\n")
        assert b" 200 " in await client.read_until(b"early\r\n")
        await client.send(b"0\r\nX-Sum: 1\r\n\r\n")
        await client.read_until(b"0\r\n\r\n")
        assert upstream.requests[0].chunks.trailers == [b"X-Sum: 1"]
        assert (await proxy.ask(get())).status == 200
        assert len(upstream.connections) == 2


@pytest.mark.parametrize("pause", [False, True])
async def test_a_trailer_is_no_field_of_the_next_request(pause: bool) -> None:
    """aiohttp's server puts the last trailer in front of the fields of the request behind it."""

    async def who(request: web.Request) -> web.Response:
        read.set()
        await request.read()
        return web.Response(text=",".join(request.headers.getall("X-User", [])))

    read = asyncio.Event()
    app = web.Application()
    app.router.add_route("*", "/", who)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    end = b"0\r\nX-User: admin\r\n\r\n"
    async with TestServer(app) as server, proxied(str(server.make_url(""))) as proxy:
        for _ in range(3):
            read.clear()
            async with await proxy.connect() as client:
                await client.send(head if pause else head + end)
                if pause:
                    await read.wait()
                    await client.send(end)
                assert (await client.receive()).body == b""
            assert (await proxy.ask(get(fields=b"X-User: bob\r\n"))).body == b"bob"


async def test_trailers_are_sent_again_with_their_body() -> None:
    head = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    busy = length(b"", b"503 Busy")
    async with dialled(
        ["wait-body", busy],
        HEALTHY,
        retry={"on": ["503"]},
    ) as (upstream, _, client):
        await client.send(head + b"5\r\nhello\r\n")
        await upstream.until(lambda: upstream.requests)
        await client.send(b"0\r\nX-Sum: 1\r\n\r\n")
        assert (await client.receive()).status == 200
        assert [r.chunks.trailers for r in upstream.requests] == [[b"X-Sum: 1"]] * 2


EVENTS = ANNOUNCED.replace(b"\r\n\r\n", b"\r\nContent-Type: text/event-stream\r\n\r\n")


@pytest.mark.parametrize(
    ("head", "tables"),
    [
        (ANNOUNCED, {"coalesce": {}}),
        (ANNOUNCED, {"stream": {"commit": "first_chunk"}}),
        (ANNOUNCED, {"stream": {"commit": "body:64KiB"}}),
        (EVENTS, {"stream": {"on_error": "event"}}),
        (EVENTS, {"stream": {"heartbeat": "30s"}}),
        (EVENTS, {"stream": {"resume": "30s"}}),
    ],
)
@pytest.mark.parametrize("pause", [0.0, 0.05])
async def test_whoever_passes_a_reply_on_passes_its_trailers_on(
    head: bytes, tables: dict[str, Any], pause: float
) -> None:
    """A reply that is shared, held, watched or kept has the same end as any other."""
    body = chunked(b"data: hello\n\n", end=b"0\r\nX-Sum: 1\r\n\r\n")
    async with dialled([head + body[:9], pause, body[9:]], **tables) as (_, _, client):
        for _ in range(2):
            response = await client.ask(get(fields=TAKES))
            assert (response.body, response.ended) == (b"data: hello\n\n", "complete")
            assert response.values("Trailer") == [b"X-Sum"]
            assert response.chunks.trailers == [b"X-Sum: 1"]


async def test_each_client_of_a_shared_reply_is_given_its_trailers() -> None:
    body = ended(b"X-Sum: 1\r\n")
    async with fronted([ANNOUNCED + body[:4], 0.2, body[4:]], coalesce={}) as (_, proxy):
        responses = await asyncio.gather(*[proxy.ask(get(fields=TAKES)) for _ in range(5)])
        assert [response.chunks.trailers for response in responses] == [[b"X-Sum: 1"]] * 5


async def test_a_stream_that_was_opened_early_ends_with_trailers_too() -> None:
    body = chunked(b"data: hello\n\n", end=b"0\r\nX-Sum: 1\r\n\r\n")
    async with fronted([0.3, EVENTS + body], stream={"heartbeat": "100ms"}) as (_, proxy):
        response = await proxy.ask(get(fields=TAKES + b"Accept: text/event-stream\r\n"))
        assert response.body.endswith(b"data: hello\n\n")
        assert response.chunks.trailers == [b"X-Sum: 1"]


async def test_a_reply_with_trailers_is_not_stored_and_says_so() -> None:
    head = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n"
    reply = head + b"4\r\nbody\r\n0\r\nX-Sum: 1\r\n\r\n"
    asked = get(fields=b"TE: trailers\r\nConnection: TE\r\n")
    async with fronted([reply], cache={}) as (upstream, proxy):
        for _ in range(2):
            answer = await proxy.ask(asked)
            assert (answer.value("Cache-Status") or b"").endswith(b"; detail=trailers")
        assert len(upstream.requests) == 2
