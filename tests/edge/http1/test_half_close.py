"""A client that half-closes behind its request gets its answer, one that leaves is noticed.

nginx and gunicorn answer ``nc -N`` and what else says by its FIN that a request is whole.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from proxy.edge.http1 import half_close
from proxy.edge.http1 import transport as client_side
from tests.support.message import CHUNKED_HEAD, chunked, get, length, post
from tests.support.proxy import dialled, fronted

LONG = 30.0
OLD = b"GET / HTTP/1.0\r\n\r\n"
STREAM = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"a", b"b")
WHOLE: dict[str, tuple[bytes, int]] = {
    # what is sent before the FIN, answers that are due
    "get": (get(), 1),
    "post": (post(b"hello"), 1),
    "chunked": (STREAM, 1),
    "http/1.0": (OLD, 1),
    "close": (get(fields=b"Connection: close\r\n"), 1),
    "pipelined": (get("/1") + get("/2") + get("/3"), 3),
    "pipelined posts": (post(b"a") + post(b"b"), 2),
    "a method of its own": (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 1),
}


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("at", ["at once", "later"])
async def test_a_client_that_half_closes_gets_its_answers(name: str, at: str) -> None:
    request_, due = WHOLE[name]
    go = asyncio.Event()
    async with dialled(["wait-body", go, length(b"ok")]) as (upstream, proxy, client):
        await client.send(request_)
        if at == "later":
            await upstream.until(lambda: upstream.requests)
            await proxy.breathe()
        client.half_close()
        await upstream.until(lambda: upstream.requests)
        await asyncio.sleep(0.1)  # past the first look
        go.set()
        for number in range(due):
            answer = await client.receive(patience=LONG)
            assert (answer.status, answer.body) == (200, b"ok")
            closes = answer.value("Connection") == b"close"
            assert closes is (number == due - 1)
        assert await client.closed(LONG) == "fin"
        assert [(await proxy.record(n)).status for n in range(due)] == [200] * due


async def test_a_repeated_request_is_answered_too() -> None:
    async with fronted() as (_, proxy):
        for _ in range(3):
            async with await proxy.connect() as client:
                await client.send(get())
                client.half_close()
                answer = await client.receive(patience=LONG)
                assert (answer.body, answer.value("Connection")) == (b"ok", b"close")


async def test_a_long_reply_goes_on_to_the_end() -> None:
    pieces = [step for _ in range(20) for step in (chunked(b"x" * 5000, end=b""), 0.02)]
    async with dialled(["wait-body", CHUNKED_HEAD, *pieces, b"0\r\n\r\n"]) as (_, _, client):
        await client.send(get())
        client.half_close()
        answer = await client.receive(patience=LONG)
        assert (answer.ended, len(answer.body)) == ("complete", 100_000)


async def test_an_upload_whose_end_stands_behind_unread_bytes_is_served() -> None:
    body = b"x" * 5_000_000
    go = asyncio.Event()
    script = ["read-nothing", go, "read-on", "wait-body", length(b"ok")]
    async with dialled(script) as (upstream, _, client):

        async def upload() -> None:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(client._socket, post(body))
            client.half_close()

        sending = asyncio.create_task(upload())
        await upstream.until(lambda: upstream.requests)
        go.set()
        await asyncio.wait_for(sending, LONG)
        answer = await client.receive(patience=LONG)
        assert answer.body == b"ok"
        assert upstream.requests[0].body == body


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_half_closed_client_that_leaves_is_noticed(how: str) -> None:
    async with fronted(["hold"]) as (upstream, proxy):
        client = await proxy.connect()
        await client.send(get())
        client.half_close()
        await upstream.until(lambda: upstream.requests)
        await asyncio.sleep(0.1)
        assert not proxy.records
        client.close() if how == "close" else client.reset()
        await asyncio.wait_for(upstream.connections[0].closed.wait(), LONG)
        assert (await proxy.record()).status == 499


@pytest.mark.parametrize("how", ["half", "close", "reset"])
async def test_a_unix_socket_knows_the_difference(how: str, tmp_path: Path) -> None:
    server = {"listen": f"unix:{tmp_path / 's'}"}
    go = asyncio.Event()
    async with fronted(["wait-body", go, length(b"ok")], server=server) as (upstream, proxy):
        client = await proxy.connect()
        await client.send(get())
        await upstream.until(lambda: upstream.requests)
        client.half_close()
        await proxy.breathe()
        if how == "half":
            go.set()
            assert (await client.receive(patience=LONG)).body == b"ok"
            client.close()
        else:
            client.close()
            await asyncio.wait_for(upstream.connections[0].closed.wait(), LONG)
            assert (await proxy.record()).status == 499


@pytest.mark.parametrize(
    "part",
    [
        b"GET / HTT",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        post(b"hello")[:-1],
        STREAM[:-2],
    ],
)
async def test_half_a_request_is_not_waited_for(part: bytes) -> None:
    async with dialled(["hold"]) as (upstream, _, client):
        await client.send(part)
        client.half_close()
        assert await client.closed(LONG) in ("fin", "rst")
        await upstream.until(lambda: all(each.closed.is_set() for each in upstream.connections))


@pytest.mark.parametrize("part", [post(b"hello")[:-1], b"GET / HTTP/1.1\r\nHo", STREAM[:-2]])
async def test_half_a_request_behind_whole_ones_ends_the_connection(part: bytes) -> None:
    async with dialled() as (upstream, _, client):
        await client.send(get("/1") + get("/2") + part)
        client.half_close()
        for _ in range(2):
            assert (await client.receive(patience=LONG)).body == b"ok"
        assert await client.closed(LONG) in ("fin", "rst")
        assert len(upstream.requests) == 2


async def test_an_idle_connection_ends_with_its_client() -> None:
    async with dialled() as (_, _, client):
        assert (await client.ask(get())).body == b"ok"
        client.half_close()
        assert await client.closed(LONG) == "fin"


POLICIES = [
    # half_close, what the kernel knows, seconds until the FIN, whether the client is answered
    ("auto", False, 0.0, True),
    ("auto", False, 0.3, True),
    ("auto", True, 0.0, False),
    ("auto", None, 0.0, True),
    ("auto", None, 0.5, False),
    ("answer", False, 0.3, True),
    ("answer", None, 0.5, True),
    ("answer", True, 0.3, False),
    ("leave", False, 0.0, False),
    ("leave", None, 0.0, False),
]


@pytest.mark.parametrize(("policy", "left", "after", "answered"), POLICIES)
async def test_an_option_says_what_a_fin_means(
    policy: str, left: bool | None, after: float, answered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On other hosts nobody can tell; what comes right behind a request belongs to it."""

    def told(_: Any) -> bool | None:
        return left

    monkeypatch.setattr(half_close, "peer_left", told)
    monkeypatch.setattr(client_side, "AT_ONCE", 0.1 if after else LONG)
    go = asyncio.Event()
    async with dialled(
        ["wait-body", go, length(b"ok")],
        server={"half_close": policy},
    ) as (upstream, _, client):
        if after:
            await client.send(get())
            await upstream.until(lambda: upstream.requests)
            await asyncio.sleep(after)
            client.half_close()
        else:  # both in one go, so that a busy machine sees them together
            await client.send(get())
            client.half_close()
        if answered:
            await upstream.until(lambda: upstream.requests)
            go.set()
            assert (await client.receive(patience=LONG)).body == b"ok"
        else:
            assert await client.closed(LONG) in ("fin", "rst")
