"""What breaks before a client was shown anything can still be tried again."""

import asyncio
import random
from typing import Any

import pytest

from tests.support.message import CHUNKED_HEAD, OK, chunked, get, length, post
from tests.support.proxy import dialled, fronted, proxied
from tests.support.upstream import HEALTHY, RawUpstream, Script

KEY = b"Idempotency-Key: k\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


def gate(commit: str = "body:64KiB", **options: Any) -> dict[str, Any]:
    """This gate, and retries that are quick."""
    retry = {"backoff_base": "1ms", "on": ["reset", "timeout"]}
    return {"stream": {"commit": commit}, "retry": retry, **options}


def cut(*pieces: bytes, end: str = "rst") -> Script:
    """These pieces, with a moment between them, and then the end."""
    script: list[Any] = ["wait-body"]
    for piece in pieces:
        script += [piece, 0.01]
    return [*script, end]


@pytest.mark.parametrize("end", ["rst", "fin"])
@pytest.mark.parametrize("script", [(HEAD,), (HEAD, b"12345"), (HEAD + b"123456789",)])
@pytest.mark.parametrize(
    ("request_", "again"),
    [(get(), True), (post(b"x", fields=KEY), True), (post(b"x"), False)],
    ids=["get", "post with a key", "post"],
)
async def test_a_body_that_is_cut_is_asked_for_again(
    script: tuple[bytes, ...], end: str, request_: bytes, *, again: bool
) -> None:
    async with fronted(cut(*script, end=end), HEALTHY, **gate()) as (upstream, proxy):
        response = await proxy.ask(request_)
        assert len(upstream.requests) == 1 + again
        assert response.ended == "complete"
        if again:
            assert (response.status, response.body) == (200, b"ok")
        else:
            told = response.value("Proxy-Status")
            assert (response.status, told) == (
                502,
                b"sidecar-proxy; error=http_response_incomplete",
            )


async def test_a_body_that_breaks_goes_to_another_server() -> None:
    async with RawUpstream(cut(HEAD, b"12345")) as bad, RawUpstream() as good:
        options = gate(
            upstream_options={"servers": [bad.url, good.url]},
            circuit_breaker={},
            load_balance={"policy": "round_robin"},  # each is asked first every other time
        )
        async with proxied(bad, **options) as proxy:
            for _ in range(12):
                assert (await proxy.ask(get())).body == b"ok"
        assert (len(bad.requests), len(good.requests)) == (5, 12)  # then it was ejected


async def test_without_a_gate_the_client_sees_the_cut() -> None:
    async with fronted(cut(HEAD, b"12345"), HEALTHY, **gate("headers")) as (upstream, proxy):
        assert (await proxy.ask(get())).ended in ("fin-short", "rst")
        assert len(upstream.requests) == 1


@pytest.mark.parametrize("commit", ["first_chunk", "body:64KiB"])
async def test_what_breaks_before_its_first_chunk_is_asked_for_again(commit: str) -> None:
    async with fronted(cut(CHUNKED_HEAD), HEALTHY, **gate(commit)) as (upstream, proxy):
        response = await proxy.ask(get())
        assert (response.status, response.body) == (200, b"ok")
        assert len(upstream.requests) == 2


@pytest.mark.parametrize("commit", ["first_chunk", "body:64KiB"])
async def test_what_breaks_after_its_first_chunk_cuts_the_client(commit: str) -> None:
    script = cut(CHUNKED_HEAD, chunked(b"first", end=b""))
    async with fronted(script, **gate(commit)) as (upstream, proxy):
        response = await proxy.ask(get())
        assert (response.status, response.body) == (200, b"first")
        assert response.ended in ("fin-short", "rst")
        assert len(upstream.requests) == 1


@pytest.mark.parametrize("commit", ["first_chunk", "body:64KiB"])
async def test_an_event_passes_at_once(commit: str) -> None:
    event = b"data: 1\n\n"
    script = [CHUNKED_HEAD + chunked(event, end=b""), "hold"]
    async with dialled(script, **gate(commit)) as (_, _, client):
        await client.send(get())
        assert event in await client.read_until(event)


async def test_by_itself_the_proxy_shows_at_once_what_is_not_sent_again() -> None:
    """The head says what a POST has made, whatever becomes of the body."""
    head = b"HTTP/1.1 201 Created\r\nLocation: /new\r\nContent-Length: 10\r\n\r\n"
    rest = asyncio.Event()
    async with dialled([head, b"12345", rest, "rst"]) as (upstream, _, client):
        await client.send(post(b"x"))
        assert b"Location: /new" in await client.read_until(b"12345")
        rest.set()
        assert await client.closed() in ("fin", "rst")
        assert len(upstream.requests) == 1


async def test_a_larger_body_is_not_held() -> None:
    body = random.Random(1).randbytes(1 << 20)
    half = asyncio.Event()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    script = [head, body[:4096], half, body[4096:]]
    async with dialled(script, **gate()) as (_, _, client):
        await client.send(get())
        assert (await client.read_until(body[:4096])).endswith(body[:4096])
        half.set()
        assert await client.read_until(body[-64:]) == body[4096:]


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537])
@pytest.mark.parametrize("commit", ["first_chunk", "body:64KiB", "body:0B"])
async def test_every_body_arrives_as_it_was(commit: str, size: int) -> None:
    body = bytes(i % 251 for i in range(size))
    scripts: list[Script] = [
        [length(body)],
        [CHUNKED_HEAD + chunked(body[:100], body[100:])],
        [b"HTTP/1.0 200 OK\r\n\r\n" + body, "fin"],
    ]
    async with fronted(*scripts, **gate(commit)) as (_, proxy):
        for _ in scripts:
            response = await proxy.ask(get())
            assert (response.body == body, response.ended) == (True, "complete")


@pytest.mark.parametrize("commit", ["headers", "first_chunk", "body:64KiB"])
@pytest.mark.parametrize(
    "reply",
    [
        OK,
        CHUNKED_HEAD + chunked(b"ok"),
        CHUNKED_HEAD + chunked(b"o", b"k"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: \tb\r\n\r\nok",
    ],
)
async def test_a_reply_that_came_at_once_is_not_lost(commit: str, reply: bytes) -> None:
    async with fronted([reply], **gate(commit)) as (_, proxy):
        for _ in range(2):
            assert (await proxy.ask(get())).body == b"ok"


@pytest.mark.parametrize(
    ("request_", "reply", "status"),
    [
        (b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", b"200 OK\r\nContent-Length: 10", 200),
        (get(), b"204 No Content", 204),
        (get(), b"304 Not Modified\r\nContent-Length: 10", 304),
        (get(), b"200 OK\r\nContent-Length: 0", 200),
    ],
)
async def test_without_a_body_nothing_is_waited_for(
    request_: bytes, reply: bytes, status: int
) -> None:
    script = [b"HTTP/1.1 %s\r\n\r\n" % reply]
    async with fronted(script, **gate()) as (upstream, proxy):
        response = await proxy.ask(request_)
        assert (response.status, response.body, response.ended) == (status, b"", "complete")
        assert len(upstream.requests) == 1


async def test_a_held_body_that_stalls_is_ended() -> None:
    options = gate() | {"timeouts": {"idle": "30ms"}, "retry": False}
    async with fronted([HEAD + b"123", "hold"], **options) as (upstream, proxy):
        response = await proxy.ask(get())
        told = response.value("Proxy-Status")
        assert (response.status, told) == (504, b"sidecar-proxy; error=http_response_timeout")
        await upstream.until(upstream.connections[0].closed.is_set)


async def test_a_held_body_that_stalls_is_asked_for_again() -> None:
    options = gate(timeouts={"idle": "500ms"})
    async with fronted([HEAD + b"123", "hold"], HEALTHY, **options) as (upstream, proxy):
        assert (await proxy.ask(get())).body == b"ok"
        assert len(upstream.requests) == 2


async def test_a_client_that_leaves_frees_what_was_held() -> None:
    async with fronted([HEAD + b"123", "hold"], **gate()) as (upstream, proxy):
        async with await proxy.connect() as client:
            await client.send(get())
            await upstream.until(lambda: upstream.requests)
        await upstream.until(upstream.connections[0].closed.is_set)
        assert (await proxy.record()).record.attempt_count == 1
