"""Request smuggling and its relatives: refused before anything reaches the upstream."""

import re

import pytest

from tests.support.message import chunked, get, post
from tests.support.proxy import dialled, fronted
from tests.support.upstream import HEALTHY
from tests.wire.attacks import (
    CHUNKED,
    CHUNKS,
    CODINGS,
    FRAMING,
    HIDDEN,
    HOSTS,
    SYNTAX,
    Attack,
    framed,
)


@pytest.mark.parametrize(
    "attack", FRAMING + CODINGS + CHUNKS + SYNTAX + HOSTS, ids=lambda attack: attack.name
)
async def test_what_can_be_read_in_two_ways_is_refused(attack: Attack) -> None:
    async with dialled(HEALTHY) as (upstream, _, client):
        response = await client.ask(attack.data)
        assert (response.status, response.ended) == (attack.status, "complete")
        assert response.value("Proxy-Status") == b"sidecar-proxy; error=http_request_error"
        assert (response.value("Connection") or b"").lower() == b"close"
        assert await client.closed() == "fin"  # nothing behind it is read as another request
        assert upstream.requests == []
        assert upstream.received == b""


@pytest.mark.parametrize(
    "tail",
    [
        b"zz\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\n0\n\n",
        b"5\r\nhelloXX",
        b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    ],
)
async def test_bad_framing_in_a_later_segment_never_looks_whole_to_the_upstream(
    tail: bytes,
) -> None:
    head = framed(CHUNKED, b"5\r\nfirst\r\n")
    async with fronted(["hold"]) as (upstream, proxy):
        async with await proxy.connect() as client:
            await client.send(head)
            await upstream.until(
                lambda: upstream.requests and upstream.requests[0].body == b"first"
            )
            response = await client.ask(tail)
            assert (response.status, response.ended) == (400, "complete")
            assert await client.closed() == "fin"
        await upstream.connections[0].closed.wait()
        assert not upstream.requests[0].complete
        assert len(upstream.requests) == 1
        assert (await proxy.record()).error == "http_request_error"


async def test_a_request_that_ends_short_never_looks_whole_to_the_upstream() -> None:
    async with fronted(["hold"]) as (upstream, proxy):
        client = await proxy.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst")
        await upstream.until(lambda: upstream.requests and upstream.requests[0].body == b"first")
        client.close()
        await upstream.until(upstream.connections[0].closed.is_set)
        assert not upstream.requests[0].complete
        assert (await proxy.record()).status == 499


async def test_what_is_hidden_in_a_body_stays_a_body() -> None:
    """Bytes behind a declared length are the next request, and none before (CVE-2025-53643)."""
    async with dialled() as (upstream, _, client):
        assert (await client.ask(post(HIDDEN))).status == 200
        assert len(upstream.requests) == 1
        assert upstream.requests[0].body == HIDDEN


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("no space after a colon", get(fields=b"X-E:v\r\n")),
        ("an empty line first", b"\r\n" + get()),  # RFC 9112 2.2
        (
            "the same host in the target",
            b"GET http://proxy.test/ HTTP/1.1\r\nHost: proxy.test\r\n\r\n",
        ),
        ("a chunk extension", framed(CHUNKED, b"5;a=b\r\nhello\r\n0\r\n\r\n")),
        ("a chunk size with zeros", framed(CHUNKED, b"005\r\nhello\r\n000\r\n\r\n")),
        ("blanks before an extension", framed(CHUNKED, b"5 \t;a=b\r\nhello\r\n0 ;b\r\n\r\n")),
        ("blanks in an extension", framed(CHUNKED, b"5 ; a = b ;c\r\nhello\r\n0\r\n\r\n")),
        ("a quoted extension", framed(CHUNKED, b'5;a="x;\\"\t\xe9"\r\nhello\r\n0\r\n\r\n')),
        ("a large size in capitals", framed(CHUNKED, b"A\r\n" + b"h" * 10 + b"\r\n0\r\n\r\n")),
        ("trailers", framed(CHUNKED, b"5\r\nhello\r\n0\r\nX-A: 1\r\nX-B:\r\n\r\n")),
        ("blanks behind chunked", framed(b"Transfer-Encoding: chunked \t\r\n", chunked(b"x"))),
        ("blanks before chunked", framed(b"Transfer-Encoding:\t  chunked\r\n", chunked(b"x"))),
        ("CHUNKED", framed(b"Transfer-Encoding: CHUNKED\r\n", chunked(b"x"))),
        ("upgrade without a body", get(fields=b"Connection: Upgrade\r\nUpgrade: h2c\r\n")),
        ("several empty lines first", b"\r\n" * 5 + get()),
        ("a later minor version", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n"),  # RFC 9110 2.5
        ("the last minor version", b"GET / HTTP/1.9\r\nHost: a\r\n\r\n"),
        (
            "upgrade to h2c with a body, as curl sends it",
            framed(
                b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                b"HTTP2-Settings: AAMA\r\nContent-Length: 5\r\n",
                b"hello",
            ),
        ),
        ("zeros before a length", framed(b"Content-Length: 0005\r\n", b"hello")),
        ("white space around a value", framed(b"Content-Length: \t 5 \t\r\n", b"hello")),
    ],
)
async def test_what_is_only_unusual_is_accepted(name: str, data: bytes) -> None:
    async with fronted() as (upstream, proxy):
        assert (await proxy.ask(data)).status == 200, name
        request = upstream.requests[0]
        assert len(upstream.requests) == 1
        assert re.fullmatch(rb"(GET|POST) /p? HTTP/1\.1", request.line)  # and made unambiguous
        framing = request.head.values("Content-Length") + request.head.values("Transfer-Encoding")
        assert framing in ([], [b"%d" % len(request.body)], [b"chunked"])
        assert request.head.values("Upgrade") == []


@pytest.mark.parametrize("pieces", [1, 3, 7])
async def test_an_attack_in_pieces_is_the_same_attack(pieces: int) -> None:
    data = framed(b"Content-Length: 5\r\n" + CHUNKED, HIDDEN)
    async with dialled() as (upstream, proxy, client):
        head_end = data.index(b"\r\n\r\n") + 4
        step = head_end // pieces + 1
        for start in range(0, head_end, step):
            await client.send(data[start : min(start + step, head_end)])
            await proxy.breathe()
        assert (await client.receive()).status == 400
        assert upstream.received == b""


@pytest.mark.parametrize("size", [100_000, 1_000_000, 8_000_000])
async def test_the_answer_to_a_head_that_is_far_too_long_arrives(size: int) -> None:
    async with dialled() as (upstream, proxy, client):
        data = get(fields=b"X-A: %s\r\n" % (b"a" * size))
        for start in range(0, len(data), size // 4):
            # Refused long before the last piece: without lingering this would meet a reset.
            await client.send(data[start : start + size // 4])
            await proxy.breathe()
        response = await client.receive()
        assert (response.status, response.ended) == (431, "complete")
        assert upstream.received == b""


async def test_a_body_that_grows_too_large_on_its_way_is_cut() -> None:
    options = {"server": {"max_body": "1KiB"}}
    async with dialled(["hold"], **options) as (upstream, proxy, client):
        await client.send(framed(CHUNKED, chunked(b"x" * 600, end=b"")))
        await upstream.until(lambda: upstream.requests and len(upstream.requests[0].body) == 600)
        response = await client.ask(chunked(b"x" * 600))
        assert (response.status, await client.closed()) == (413, "fin")
        await upstream.until(upstream.connections[0].closed.is_set)
        assert not upstream.requests[0].complete
        assert (await proxy.record()).status == 413


async def test_a_body_that_grows_too_large_is_refused() -> None:
    options = {"server": {"max_body": "1KiB"}}
    async with fronted(["hold"], **options) as (upstream, proxy):
        async with await proxy.connect() as client:
            response = await client.ask(framed(CHUNKED, chunked(b"x" * 1025)))
            assert (response.status, await client.closed()) == (413, "fin")
        for connection in upstream.connections:
            await upstream.until(connection.closed.is_set)
        assert not any(request.complete for request in upstream.requests)
        assert (await proxy.record()).status == 413


async def test_a_body_of_exactly_the_limit_goes_through() -> None:
    options = {"server": {"max_body": "1KiB"}}
    async with fronted(**options) as (upstream, proxy):
        assert (await proxy.ask(post(b"x" * 1024))).status == 200
        assert (await proxy.ask(framed(CHUNKED, chunked(b"x" * 1024)))).status == 200
        assert [len(request.body) for request in upstream.requests] == [1024, 1024]
