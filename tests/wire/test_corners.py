"""Corners of HTTP/1.1: ranges, long pipelines, tiny chunks, large heads."""

import asyncio
from typing import Any

import pytest

from tests.support.message import CHUNKED_HEAD, OK, Chunks, chunked, get, length, post
from tests.support.proxy import dialled, fronted
from tests.support.upstream import Connection, Request

PARTS = (
    b"\r\n--SEP\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\nab"
    b"\r\n--SEP\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\nij\r\n--SEP--\r\n"
)
MULTIPART = b"Content-Type: multipart/byteranges; boundary=SEP\r\n"

RANGES: list[tuple[bytes, bytes, bytes, bytes]] = [
    # fields of the request, status, fields and body of the reply (RFC 9110 14)
    (b"Range: bytes=0-1\r\n", b"206 Partial Content", b"Content-Range: bytes 0-1/10\r\n", b"ab"),
    (b"Range: bytes=0-1,-2\r\n", b"206 Partial Content", MULTIPART, PARTS),
    (
        b'Range: bytes=0-1\r\nIf-Range: "x"\r\n',
        b"200 OK",
        b'ETag: "y"\r\nAccept-Ranges: bytes\r\n',
        b"abcdefghij",
    ),
    (b"Range: bytes=99-\r\n", b"416 Range Not Satisfiable", b"Content-Range: bytes */10\r\n", b""),
    (b"Range: lines=1-2\r\n", b"200 OK", b"", b"abcdefghij"),
]


@pytest.mark.parametrize(("asked", "status", "fields", "body"), RANGES)
async def test_ranges_pass_byte_for_byte(
    asked: bytes, status: bytes, fields: bytes, body: bytes
) -> None:
    async with fronted(["wait-body", length(body, status, fields)]) as (upstream, proxy):
        answer = await proxy.ask(get(fields=asked))
        assert asked in upstream.requests[0].head.raw
        assert answer.head.first == b"HTTP/1.1 " + status
        assert fields in answer.head.raw
        assert (answer.body, answer.ended) == (body, "complete")


async def _numbered(connection: Connection, request: Request) -> None:
    number = request.line.split(b" ")[1][1:]
    if number == b"0":
        await asyncio.sleep(0.1)
    if number == b"7":
        await connection.send(length(b"no", b"500 Broken"))
    else:
        await connection.send(length(number + request.body))


PIPELINE = [get(f"/{i}") if i % 3 else post(b"+", f"/{i}") for i in range(20)]


async def test_a_long_pipeline_is_answered_in_order() -> None:
    async with dialled(["wait-body", _numbered]) as (_, _, client):
        await client.send(b"".join(PIPELINE))
        answers = [await client.receive() for _ in range(20)]
        assert [a.status for a in answers] == [200] * 7 + [500] + [200] * 12
        assert [a.body.rstrip(b"+") for a in answers if a.status == 200] == [
            b"%d" % i for i in range(20) if i != 7
        ]


async def test_a_bad_request_behind_others_ends_a_pipeline() -> None:
    async with dialled(["wait-body", _numbered]) as (upstream, proxy, client):
        await client.send(b"".join(PIPELINE[:4]))
        await proxy.breathe()
        await client.send(get("/4", b"Host: again\r\n") + get("/5"))  # RFC 9112 3.2
        answers = [await client.receive() for _ in range(5)]
        assert [answer.status for answer in answers] == [200, 200, 200, 200, 400]
        assert [answer.body for answer in answers[:4]] == [b"0+", b"1", b"2", b"3+"]
        assert await client.closed() == "fin"
        assert len(upstream.requests) == 4


TINY = 100_000


@pytest.mark.parametrize("size", [b"1", b"01", b"0000000001"])
@pytest.mark.parametrize("extension", [b"", b';a="b;c"'])
async def test_very_many_tiny_chunks_of_a_reply(size: bytes, extension: bytes) -> None:
    chunk = b"%b%b\r\nx\r\n" % (size, extension)
    async with fronted(["wait-body", CHUNKED_HEAD, chunk * TINY + b"0\r\n\r\n"]) as (_, proxy):
        answer = await proxy.ask(get())
        assert (answer.body, answer.ended) == (b"x" * TINY, "complete")
        assert extension == b"" or b"a=" not in answer.head.raw


@pytest.mark.parametrize("pieces", [1, 200])
async def test_very_many_tiny_chunks_of_a_request(pieces: int) -> None:
    data = b"1\r\nx\r\n" * TINY + b"0\r\n\r\n"
    step = len(data) // pieces + 1
    async with dialled(["wait-body", OK]) as (upstream, _, client):
        head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        await client.send(head)
        for i in range(0, len(data), step):
            await client.send(data[i : i + step])
        assert (await client.receive()).status == 200
        assert upstream.requests[0].body == b"x" * TINY


async def test_chunks_that_drip_in_byte_by_byte() -> None:
    stream = CHUNKED_HEAD + chunked(b"hello", b"world" * 5)
    async with fronted(
        ["wait-body", *[step for b in stream for step in (bytes([b]), 0.0)]],
    ) as (_, proxy):
        answer = await proxy.ask(get())
        assert (answer.body, answer.ended) == (b"hello" + b"world" * 5, "complete")
        assert isinstance(answer.chunks, Chunks)


@pytest.mark.parametrize("shape", ["one field", "many fields"])
@pytest.mark.parametrize(("over", "status"), [(0, 200), (1, 431)])
async def test_a_head_may_be_as_long_as_the_limit(shape: str, over: int, status: int) -> None:
    limit = 16 << 10
    bare = len(get(fields=b"X: \r\n"))
    if shape == "one field":
        fields = b"X: %b\r\n" % (b"x" * (limit - bare + over))
    else:
        many = b"".join(b"X-%03d: y\r\n" % i for i in range(500))
        fields = many + b"X: %b\r\n" % (b"x" * (limit - bare - len(many) + over))
    request = get(fields=fields)
    assert len(request) == limit + over
    async with fronted() as (upstream, proxy):
        assert (await proxy.ask(request)).status == status
        assert all(fields in sent.head.raw for sent in upstream.requests)


@pytest.mark.parametrize(("size", "status"), [(60 << 10, 200), (70 << 10, 502)])
async def test_a_reply_s_head_may_be_long(size: int, status: int) -> None:
    fields = b"X-Long: %b\r\n" % (b"x" * size)
    async with fronted(
        ["wait-body", length(b"ok", fields=fields)],
        retry={"attempts": 1},
    ) as (_, proxy):
        answer = await proxy.ask(get())
        assert answer.status == status
        assert (fields in answer.head.raw) is (status == 200)


async def test_hundreds_of_cookies_stay_lines_of_their_own_in_order() -> None:
    cookies = [
        b"Set-Cookie: c%d=v; Path=/; Expires=Wed, 21 Oct 2035 07:28:00 GMT" % i for i in range(500)
    ]
    fields = b"\r\n".join(cookies) + b"\r\n"
    async with fronted(["wait-body", length(b"ok", fields=fields)]) as (_, proxy):
        answer = await proxy.ask(get())
        assert [line for line in answer.lines if line.startswith(b"Set-Cookie")] == cookies


KEPT: list[tuple[str, list[Any], str]] = [
    # version of the upstream, its script, how a client of HTTP/1.1 sees the end
    ("1.0 and a length", [b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "hold"], "complete"),
    (
        "1.0 kept",
        [b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"],
        "complete",
    ),
    ("1.0 to its end", [b"HTTP/1.0 200 OK\r\n\r\nok", 0.01, "fin"], "complete"),
    ("1.0 reset", [b"HTTP/1.0 200 OK\r\n\r\nok", 0.03, "rst"], "fin-short"),
    ("1.1 to its end", [b"HTTP/1.1 200 OK\r\n\r\nok", 0.01, "fin"], "complete"),
    ("1.1 reset", [b"HTTP/1.1 200 OK\r\n\r\nok", 0.03, "rst"], "fin-short"),
]


@pytest.mark.parametrize(("script", "end"), [row[1:] for row in KEPT], ids=[row[0] for row in KEPT])
async def test_upstreams_that_end_with_their_connection(script: list[Any], end: str) -> None:
    async with fronted(["wait-body", *script]) as (_, proxy):
        answer = await proxy.ask(get())
        assert (answer.status, answer.body, answer.ended) == (200, b"ok", end)
        assert answer.head.first.startswith(b"HTTP/1.1 ")
