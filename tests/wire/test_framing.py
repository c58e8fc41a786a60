"""Lengths stay lengths, unknown ones are chunked, and bodies that must not be are not."""

from typing import Any

import pytest

from tests.support.message import CHUNKED_HEAD, OK, chunked, get, length, post
from tests.support.proxy import dialled, fronted
from tests.support.upstream import HEALTHY

CHUNKED_POST = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 1_000_000])
async def test_a_request_length_stays_a_length(size: int) -> None:
    body = bytes(i % 251 for i in range(size))
    async with fronted() as (upstream, proxy):
        assert (await proxy.ask(post(body))).status == 200
        request = upstream.requests[0]
        assert request.head.value("Content-Length") == b"%d" % size
        assert request.head.value("Transfer-Encoding") is None
        assert request.body == body


@pytest.mark.parametrize("pieces", [[], [b"x"], [b"a" * 70_000, b"b"], [b"x"] * 500])
async def test_a_chunked_request_stays_chunked_or_gets_its_length(pieces: list[bytes]) -> None:
    async with fronted() as (upstream, proxy):
        assert (await proxy.ask(CHUNKED_POST + chunked(*pieces))).status == 200
        request = upstream.requests[0]
        assert request.body == b"".join(pieces)
        one = [*request.head.values("Transfer-Encoding"), *request.head.values("Content-Length")]
        assert one in ([b"chunked"], [b"%d" % len(request.body)])  # RFC 9112 6.2: never both
        assert request.complete


async def test_chunk_extensions_of_a_request_end_here() -> None:
    body = b"5;a=b\r\nhello\r\n0\r\n\r\n"
    async with fronted() as (upstream, proxy):
        assert (await proxy.ask(CHUNKED_POST + body)).status == 200
        assert upstream.requests[0].body == b"hello"
        assert b"a=b" not in upstream.received


@pytest.mark.parametrize("method", [b"GET", b"DELETE", b"OPTIONS", b"HEAD"])
async def test_a_request_without_a_body_gets_none(method: bytes) -> None:
    async with fronted() as (upstream, proxy):
        await proxy.ask(b"%s / HTTP/1.1\r\nHost: a\r\n\r\n" % method)
        head = upstream.requests[0].head
        assert head.value("Transfer-Encoding") is head.value("Content-Length") is None


async def test_a_get_may_have_a_body() -> None:
    async with fronted() as (upstream, proxy):
        await proxy.ask(post(b"hello", method=b"GET"))
        assert (upstream.requests[0].line, upstream.requests[0].body) == (
            b"GET / HTTP/1.1",
            b"hello",
        )


@pytest.mark.parametrize("size", [0, 1, 65_536, 1_000_000])
async def test_a_reply_length_stays_a_length(size: int) -> None:
    body = bytes(i % 251 for i in range(size))
    async with fronted([length(body)]) as (_, proxy):
        response = await proxy.ask(get())
        assert (response.framing, response.ended) == ("length", "complete")
        assert response.body == body


@pytest.mark.parametrize("pieces", [[], [b"x"], [b"a" * 70_000, b"b"], [b"x"] * 3000])
async def test_a_chunked_reply_stays_chunked(pieces: list[bytes]) -> None:
    script = [CHUNKED_HEAD, 0.01, chunked(*pieces)]
    async with dialled(script) as (_, _, client):
        response = await client.ask(get())
        assert (response.framing, response.ended) == ("chunked", "complete")
        assert response.body == b"".join(pieces)
        assert response.chunks.sizes.count(0) == 1  # an empty piece would have ended it
        assert (await client.ask(get())).ended == "complete"


async def test_trailers_of_a_reply_end_here() -> None:
    body = b"5;a=b\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n"
    async with fronted([CHUNKED_HEAD + body]) as (_, proxy):
        response = await proxy.ask(get())
        assert (response.body, response.chunks.trailers) == (b"hello", [])


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
async def test_a_reply_that_ends_with_its_connection_becomes_chunked(version: bytes) -> None:
    script = [version + b" 200 OK\r\n\r\n", b"hel", 0.01, b"lo", "fin"]  # RFC 9112 6.3
    async with dialled(script, HEALTHY) as (_, _, client):
        response = await client.ask(get())
        assert (response.framing, response.body, response.ended) == (
            "chunked",
            b"hello",
            "complete",
        )
        assert (await client.ask(get())).body == b"ok"


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 123\r\n\r\n", [b"123"]),
        (b"HTTP/1.1 200 OK\r\n\r\n", []),
        (b"HTTP/1.1 404 No\r\nContent-Length: 9\r\n\r\n", [b"9"]),
    ],
)
async def test_a_reply_to_head_keeps_its_length_and_has_no_body(
    head: bytes, kept: list[bytes]
) -> None:
    async with dialled([head], HEALTHY) as (_, _, client):
        response = await client.ask(HEAD)  # RFC 9110 9.3.2
        assert response.values("Content-Length") == kept
        assert response.values("Transfer-Encoding") == []
        assert (await client.ask(get())).body == b"ok"


@pytest.mark.parametrize(
    ("head", "lengths"),
    [
        # RFC 9110 8.6: no length in a 204; a 304 may say the length that a 200 would have had
        (b"HTTP/1.1 204 No Content\r\n\r\n", [[]]),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", [[]]),
        (b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 100\r\n\r\n', [[b"100"], []]),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", [[]]),
    ],
)
async def test_a_status_without_a_body_has_none(head: bytes, lengths: list[list[bytes]]) -> None:
    async with dialled([head], HEALTHY) as (_, _, client):
        response = await client.ask(get())
        assert response.head.first == head.split(b"\r\n")[0]
        assert response.values("Content-Length") in lengths
        assert response.values("Transfer-Encoding") == []
        assert (await client.ask(get())).body == b"ok"


async def test_a_205_goes_through() -> None:
    script = [b"HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n"]
    async with fronted(script) as (_, proxy):
        response = await proxy.ask(get())  # RFC 9110 15.3.6
        assert (response.status, response.value("Content-Length")) == (205, b"0")


OLD = b"GET / HTTP/1.0\r\nHost: a\r\n\r\n"
OLD_KEPT = b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"


@pytest.mark.parametrize("script", [[length(b"hello")], [CHUNKED_HEAD, chunked(b"hel", b"lo")],
                                    [CHUNKED_HEAD, 0.01, chunked(b"hel", b"lo")]])  # fmt: skip
async def test_a_client_of_http_1_0_is_never_sent_chunks(script: list[Any]) -> None:
    async with dialled(script) as (_, _, client):
        response = await client.ask(OLD)  # RFC 9112 6.1
        assert (response.body, response.ended) == (b"hello", "complete")
        assert response.value("Transfer-Encoding") is None
        assert await client.closed() == "fin"


async def test_a_client_of_http_1_0_may_keep_its_connection_where_the_length_is_known() -> None:
    async with dialled([length(b"hello")]) as (_, _, client):
        response = await client.ask(OLD_KEPT)  # RFC 9112 9.3 and C.2.2
        assert (response.value("Connection") or b"").lower() == b"keep-alive"
        assert (await client.ask(OLD_KEPT)).body == b"hello"


async def test_a_client_of_http_1_0_loses_its_connection_where_the_length_is_not_known() -> None:
    script = [CHUNKED_HEAD, 0.01, chunked(b"hello")]
    async with dialled(script) as (_, _, client):
        response = await client.ask(OLD_KEPT)
        assert (response.framing, response.body, response.ended) == ("close", b"hello", "complete")
        assert (response.value("Connection") or b"").lower() != b"keep-alive"


async def test_close_is_honoured_and_said() -> None:
    async with dialled() as (_, _, client):
        response = await client.ask(get(fields=b"Connection: close\r\n"))
        assert (response.value("Connection") or b"").lower() == b"close"  # RFC 9112 9.6
        assert await client.closed() == "fin"


async def test_connections_are_kept_on_both_sides() -> None:
    async with dialled() as (upstream, _, client):
        for i in range(10):
            response = await client.ask(post(b"%d" % i))
            assert (response.body, response.value("Connection")) == (b"ok", None)
        assert [len(connection.requests) for connection in upstream.connections] == [10]


async def test_close_of_the_upstream_is_its_own_affair() -> None:
    reply = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    async with fronted([reply, "fin"]) as (upstream, proxy):
        async with await proxy.connect() as client:
            for _ in range(3):
                response = await client.ask(get())
                assert (response.body, response.value("Connection")) == (b"ok", None)
        assert len(upstream.connections) == 3


async def test_pipelined_requests_are_answered_in_order() -> None:
    async def echo(connection: Any, request: Any) -> None:
        await connection.send(length(request.line + b" " + request.body))

    requests = [get("/1"), post(b"two", "/2"), CHUNKED_POST + chunked(b"three"), get("/4")]
    async with dialled(["wait-body", echo]) as (_, _, client):
        await client.send(b"".join(requests))  # RFC 9112 9.3.2
        bodies = [(await client.receive()).body for _ in requests]
    assert bodies == [b"GET /1 HTTP/1.1 ", b"POST /2 HTTP/1.1 two", b"POST / HTTP/1.1 three",
                      b"GET /4 HTTP/1.1 "]  # fmt: skip


async def test_a_client_that_asks_whether_to_go_on_is_told_and_its_body_arrives_once() -> None:
    request = post(b"", fields=b"Expect: 100-continue\r\n").replace(b"Length: 0", b"Length: 5")
    go_on = [b"HTTP/1.1 100 Continue\r\n\r\n", "wait-body", OK]
    async with fronted(go_on) as (upstream, proxy):
        async with await proxy.connect() as client:
            await client.send(request)  # RFC 9110 10.1.1
            assert (await client.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
            response = await client.ask(b"hello")
            assert (response.status, response.body) == (200, b"ok")
        assert upstream.requests[0].body == b"hello"
