"""What comes before the answer: 100 (Continue), 103 (Early Hints) and their like."""

import asyncio
import time
from typing import Any

import pytest

from proxy.edge.http1 import request_body as body
from tests.support.message import OK, chunked, get, length, post
from tests.support.proxy import dialled, fronted

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EXPECT = b"Expect: 100-continue\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-Note: caf\xe9\r\n\r\n"


def asking(size: int = 5, method: bytes = b"POST", version: bytes = b"1.1") -> bytes:
    """The head of a request whose client waits to be told to go on."""
    head = post(b"", fields=EXPECT, method=method).replace(b"Length: 0", b"Length: %d" % size)
    return head.replace(b"HTTP/1.1", b"HTTP/" + version)


# Expect (RFC 9110 10.1.1)


@pytest.mark.parametrize("method", [b"POST", b"PUT"])
async def test_a_client_goes_on_when_the_upstream_has_asked(method: bytes) -> None:
    go = asyncio.Event()
    async with dialled([go, CONTINUE, "wait-body", OK]) as (upstream, _, client):
        await client.send(asking(method=method))
        await upstream.until(lambda: upstream.requests)
        assert upstream.requests[0].head.value("expect") == b"100-continue"
        assert await client.read(patience=0.1) == b""
        go.set()
        assert await client.read_until(b"\r\n\r\n") == CONTINUE
        answer = await client.ask(b"hello")
        assert (answer.status, answer.interim) == (200, [])
        assert upstream.requests[0].body == b"hello"


async def test_an_upstream_that_does_not_know_the_mechanism_gets_the_body_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body, "WAIT_FOR_CONTINUE", 0.1)
    async with dialled(["wait-body", OK]) as (_, _, client):
        began = time.monotonic()
        await client.send(asking())
        assert await client.read_until(b"\r\n\r\n") == CONTINUE
        assert 0.09 < time.monotonic() - began < 1
        assert (await client.ask(b"hello")).status == 200


@pytest.mark.parametrize("status", [b"401 No", b"413 Too Large", b"417 Expectation Failed"])
async def test_a_refusal_comes_without_the_body_being_asked_for(status: bytes) -> None:
    async with dialled([length(b"because", status)]) as (upstream, _, client):
        await client.send(asking())
        answer = await client.receive()
        assert (answer.status, answer.body, answer.interim) == (int(status[:3]), b"because", [])
        assert answer.value("connection") == b"close"
        assert await client.closed() == "fin"
        await upstream.connections[0].closed.wait()
        assert upstream.requests[0].body == b""


@pytest.mark.parametrize("asked", [b"", CONTINUE], ids=["unasked", "asked late"])
async def test_nobody_is_told_to_go_on_in_the_midst_of_a_reply(
    monkeypatch: pytest.MonkeyPatch, asked: bytes
) -> None:
    monkeypatch.setattr(body, "WAIT_FOR_CONTINUE", 0.05)
    early = b"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nslow\r\n"
    async with dialled([early, 0.15, b"0\r\n\r\n"]) as (_, _, client):
        await client.send(asking())
        answer = await client.receive()
        assert (answer.status, answer.body, answer.ended) == (401, b"slow", "complete")
    beats = {"heartbeat": "30ms"}
    event = length(b"data: 1\n\n", fields=b"Content-Type: text/event-stream\r\n")
    async with dialled([0.15, asked, 0.05, event], stream=beats) as (_, _, client):
        await client.send(asking().replace(b"\r\n\r\n", b"\r\nAccept: text/event-stream\r\n\r\n"))
        answer = await client.receive()
        assert b"HTTP/" not in answer.body
        assert answer.body.replace(b": heartbeat\n\n", b"") == b"data: 1\n\n"


async def test_a_client_that_does_not_wait_is_not_held_up() -> None:
    async with dialled(["wait-body", OK]) as (upstream, _, client):
        began = time.monotonic()
        await client.send(asking())
        await upstream.until(lambda: upstream.requests)
        answer = await client.ask(b"hello")
        assert (answer.status, answer.interim) == (200, [])
        assert time.monotonic() - began < 0.5


async def test_a_client_is_told_once_however_many_attempts_there_are() -> None:
    async with dialled(
        [CONTINUE, "wait-body", "rst"],
        [CONTINUE, "wait-body", OK],
        retry={"on": ["reset"], "backoff_base": "1ms"},
    ) as (upstream, _, client):
        await client.send(asking(method=b"PUT"))
        assert await client.read_until(b"\r\n\r\n") == CONTINUE
        answer = await client.ask(b"hello")
        assert (answer.status, answer.interim) == (200, [])
        assert [request.body for request in upstream.requests] == [b"hello", b"hello"]


async def test_a_second_attempt_asks_where_the_first_had_no_time_to() -> None:
    async with dialled(
        [0.03, "rst"],
        [0.03, CONTINUE, "wait-body", OK],
        retry={"on": ["reset"], "backoff_base": "0"},
    ) as (upstream, _, client):
        await client.send(asking(method=b"PUT"))
        assert await client.read_until(b"\r\n\r\n") == CONTINUE
        answer = await client.ask(b"hello")
        assert (answer.status, len(upstream.requests)) == (200, 2)
        assert upstream.requests[1].body == b"hello"


async def test_a_client_of_http_1_0_is_not_told_to_go_on() -> None:
    async with dialled([CONTINUE, "wait-body", OK]) as (upstream, proxy, client):
        await client.send(asking(version=b"1.0"))
        await upstream.until(lambda: upstream.requests)
        await proxy.breathe()
        answer = await client.ask(b"hello")
        assert (answer.status, answer.interim) == (200, [])


async def test_a_client_that_leaves_while_it_waits_leaves_nothing_behind() -> None:
    before = len(asyncio.all_tasks())
    async with fronted(["hold"]) as (upstream, proxy):
        async with await proxy.connect() as client:
            await client.send(asking())
            await upstream.until(lambda: upstream.requests)
            client.reset()
        await upstream.connections[0].closed.wait()
        assert (await proxy.record()).status == 499
        await proxy.breathe()
    assert len(asyncio.all_tasks()) == before


# Early hints (RFC 8297, RFC 9110 15.2)


@pytest.mark.parametrize("request_", [get(), post(b"x")], ids=["get", "post"])
async def test_informational_heads_arrive_at_once(request_: bytes) -> None:
    go = asyncio.Event()
    processing = b"HTTP/1.1 102 Processing\r\nConnection: x\r\nX: 1\r\n\r\n"
    async with dialled(["wait-body", HINTS, processing, go, OK]) as (_, _, client):
        await client.send(request_)
        assert await client.read_until(b"\r\n\r\n") == HINTS
        assert await client.read_until(b"\r\n\r\n") == b"HTTP/1.1 102 Processing\r\n\r\n"
        go.set()
        answer = await client.receive()
        assert (answer.status, answer.body, answer.ended) == (200, b"ok", "complete")
        again = await client.ask(get())
        assert [head.first[9:12] for head in again.interim] == [b"103", b"102"]
        assert again.status == 200


@pytest.mark.parametrize(
    "script",
    [[HINTS + OK], [HINTS, HINTS, OK], [CONTINUE, HINTS, OK], [HINTS[:20], 0.01, HINTS[20:], OK]],
)
async def test_all_of_them_come_before_the_answer(script: list[Any]) -> None:
    async with fronted(["wait-body", *script]) as (_, proxy):
        answer = await proxy.ask(get())
        assert {head.raw for head in answer.interim} == {HINTS}
        assert len(answer.interim) == b"".join(s for s in script if s != 0.01).count(b" 103 ")
        assert (answer.status, answer.body) == (200, b"ok")


async def test_a_client_of_http_1_0_sees_none() -> None:
    async with fronted(["wait-body", HINTS, OK]) as (_, proxy):
        answer = await proxy.ask(b"GET / HTTP/1.0\r\nHost: proxy.test\r\n\r\n")
        assert (answer.status, answer.interim) == (200, [])


async def test_hints_do_not_commit_to_an_attempt() -> None:
    async with fronted(
        ["wait-body", HINTS, 0.01, "rst"], ["wait-body", OK], retry={"on": ["reset"]}
    ) as (_, proxy):
        answer = await proxy.ask(get())
        assert (len(answer.interim), answer.status) == (1, 200)
    async with fronted(
        ["wait-body", HINTS, 0.01, "rst"],
        retry={"attempts": 1},
    ) as (_, proxy):
        answer = await proxy.ask(get())
        assert (len(answer.interim), answer.status) == (1, 502)


@pytest.mark.parametrize(
    "bad",
    [
        b"HTTP/1.1 103 Early Hints\r\nX: a\x01b\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nX y: 1\r\n\r\n",
        b"HTTP/1.1 99 What\r\n\r\n",
        HINTS * 1500,
    ],
    ids=["control", "name", "99", "too many"],
)
async def test_hostile_ones_are_a_bad_reply(bad: bytes) -> None:
    async with fronted(["wait-body", bad, OK], retry={"attempts": 1}) as (_, proxy):
        assert (await proxy.ask(get())).status == 502


async def test_what_breaks_off_behind_hints_is_no_answer() -> None:
    async with fronted(["wait-body", HINTS, chunked(b"x")], retry={"attempts": 1}) as (_, proxy):
        assert (await proxy.ask(get())).status == 502
