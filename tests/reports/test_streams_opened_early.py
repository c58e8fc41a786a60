"""Who is given a stream before there is an answer, and what it is told when that was wrong."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.client import RawClient, Response
from tests.support.event_wire import ACCEPT, EVENTS, TYPE, last_words, said
from tests.support.message import get, length, post
from tests.support.peer import SWITCHING
from tests.support.proxy import Proxy, dialled, fronted, proxied
from tests.support.upstream import RawUpstream, closed_port

LONG = 30.0
BEAT = b": heartbeat\n\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
DONE: list[Any] = ["wait-body", EVENTS, said(b"data: 1\n\n"), b"0\r\n\r\n"]
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CODED = TYPE + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"


def accept(value: str) -> bytes:
    return b"Accept: %b\r\n" % value.encode()


@pytest.mark.parametrize(
    "value",
    [
        "application/json, text/event-stream",  # as MCP's clients say it
        "text/event-stream, application/json",
        "text/event-stream;q=0.5, application/json",
        "text/event-stream, */*",
        "text/event-stream;q=0",
        'application/json;profile="text/event-stream"',
    ],
)
async def test_a_client_that_takes_json_as_well_is_told_the_truth(value: str) -> None:
    """Heartbeats broke clients of MCP, which were given a stream where JSON was to come."""
    async with fronted(["wait-body", 0.2, JSON], stream={"heartbeat": "20ms"}) as (_, proxy):
        answer = await proxy.ask(post(b"{}", fields=accept(value)), patience=LONG)
        assert (answer.value("Content-Type"), answer.body) == (b"application/json", b"{}")


@pytest.mark.parametrize("value", ["text/event-stream", "text/event-stream, */*;q=0.1"])
async def test_a_client_that_prefers_events_is_not_kept_waiting(value: str) -> None:
    async with dialled(["wait-body", "hold"], stream={"heartbeat": "20ms"}) as (_, _, client):
        await client.send(get(fields=accept(value)))
        await client.read_until(b": heartbeat\n\n", LONG)


@pytest.mark.parametrize("coding", ["gzip, deflate, br", "*", "gzip\r\naccept-encoding: br"])
async def test_what_is_opened_early_is_asked_for_without_a_coding(coding: str) -> None:
    fields = ACCEPT + b"Accept-Encoding: %b\r\n" % coding.encode()
    async with fronted(
        ["wait-body", EVENTS, said(b"data: 1\n\n"), b"0\r\n\r\n"], stream={"heartbeat": "1h"}
    ) as (upstream, proxy):
        assert (await proxy.ask(get(fields=fields), patience=LONG)).ended == "complete"
        assert upstream.requests[0].head.values("accept-encoding") == [b"identity"]


@pytest.mark.parametrize(
    ("fields", "heartbeat", "seen"),
    [
        (ACCEPT, "1h", []),  # nothing is added that the client did not send
        (b"Accept-Encoding: gzip\r\n", "1h", [b"gzip"]),
        (ACCEPT + b"Accept-Encoding: gzip\r\n", "0", [b"gzip"]),
    ],
)
async def test_other_requests_keep_their_codings(
    fields: bytes, heartbeat: str, seen: list[bytes]
) -> None:
    async with fronted(stream={"heartbeat": heartbeat}) as (upstream, proxy):
        await proxy.ask(get(fields=fields), patience=LONG)
        assert upstream.requests[0].head.values("accept-encoding") == seen


INSTEAD: list[tuple[list[Any], int, str]] = [
    # what comes too late to be shown, status in the event, what its words name
    ([CODED, said(b"\x1f\x8b")], 502, "Content-Encoding: gzip"),
    ([JSON], 502, "application/json"),
    ([b"HTTP/1.1 204 No Content\r\n\r\n"], 502, "204"),
    ([b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"], 502, "302"),
    ([length(b"no", b"503 Busy")], 503, "503"),
    ([length(b"no", b"404 ")], 404, "404"),
]


@pytest.mark.parametrize(("late", "status", "word"), INSTEAD)
async def test_no_error_is_called_ok(late: list[Any], status: int, word: str) -> None:
    """An error called OK ended a stream that came compressed."""
    go = asyncio.Event()
    async with dialled(
        ["wait-body", go, *late], stream={"heartbeat": "20ms"}, retry={"attempts": 1}
    ) as (upstream, _, client):
        await client.send(get(fields=ACCEPT))
        await upstream.until(lambda: upstream.requests)
        go_on = asyncio.get_running_loop().call_later(0.3, go.set)
        answer = await client.receive(patience=LONG)
        go_on.cancel()
        beats = answer.body.count(b": heartbeat\n\n")
        told = last_words(answer, b": heartbeat\n\n" * beats)
        assert told["status"] == status
        assert word in told["detail"]
        assert told["title"] not in ("OK", "")


# Expect: 100-continue (RFC 9110 10.1.1)


@asynccontextmanager
async def strict(
    proxy: Proxy, body: bytes = b"hello", method: bytes = b"POST"
) -> AsyncIterator[tuple[RawClient, "asyncio.Task[Response]"]]:
    """A client that sends its body after 100 only, when that and an opened stream have come."""
    head = post(b"", fields=ACCEPT + b"Expect: 100-continue\r\n", method=method)
    async with await proxy.connect() as client, asyncio.TaskGroup() as group:
        await client.send(head.replace(b"Length: 0", b"Length: %d" % len(body)))
        assert await client.read_until(b"\r\n\r\n", LONG) == CONTINUE
        sending = group.create_task(client.send(body))
        answer = group.create_task(client.receive(patience=LONG))
        yield client, answer
        await sending
        told = await answer
        assert (told.status, told.ended, told.interim) == (200, "complete", [])
        assert told.value("cache-control") == b"no-store", "the proxy's own head"
        assert told.body.replace(BEAT, b"") == b"data: 1\n\n"


@pytest.mark.parametrize("asks", [[CONTINUE], []], ids=["asks late", "never asks"])
async def test_a_client_that_waits_with_its_body_is_asked_for_it_before_200(
    asks: list[Any],
) -> None:
    """Client and upstream waited for each other: 100 came to be sent behind 200, and was not."""
    go = asyncio.Event()
    async with (
        fronted([go, *asks, *DONE], stream={"heartbeat": "20ms"}) as (upstream, proxy),
        strict(proxy),
    ):
        go.set()
    assert upstream.requests[0].body == b"hello"


async def test_a_body_that_comes_while_its_request_waits_in_the_queue_is_sent_on() -> None:
    """It is more than is read ahead: the client is held up meanwhile, the heartbeats are not."""
    body, go = bytes(range(256)) * 16384, asyncio.Event()
    tables: dict[str, Any] = {"concurrency": {"max_requests": 1, "min": 1}, "queue": {}}
    async with (
        RawUpstream([go, length(b"ok")], DONE) as upstream,
        proxied(upstream, stream={"heartbeat": "20ms"}, **tables) as proxy,
        asyncio.TaskGroup() as group,
    ):
        first = group.create_task(proxy.ask(get(), patience=LONG))
        await upstream.until(lambda: upstream.requests)
        async with strict(proxy, body):
            await asyncio.sleep(0.1)
            assert len(upstream.requests) == 1
            go.set()
        assert (await first).status == 200
    assert upstream.requests[1].body == body


async def test_a_body_that_comes_while_its_request_waits_for_its_turn_is_sent_on() -> None:
    tables = {"rate_limit": {"average": 2, "burst": 1, "max_wait": "60s"}}
    async with fronted(
        ["wait-body", length(b"ok")], DONE, stream={"heartbeat": "20ms"}, **tables
    ) as (upstream, proxy):
        assert (await proxy.ask(get())).status == 200
        async with strict(proxy):
            pass
        assert upstream.requests[1].body == b"hello"


async def test_a_body_that_comes_while_its_server_is_away_is_sent_on() -> None:
    port = closed_port()
    tables = {"retry": {"wait_for_connect": "10m"}}
    async with (
        proxied(f"http://127.0.0.1:{port}", stream={"heartbeat": "20ms"}, **tables) as proxy,
        strict(proxy),
        RawUpstream(DONE, port=port) as upstream,
    ):
        await upstream.until(lambda: upstream.requests)
        await upstream.until(lambda: upstream.requests[0].body == b"hello")
        await proxy.record()


async def test_a_body_that_an_attempt_has_lost_is_sent_again() -> None:
    async with (
        fronted(
            ["wait-body", "rst"], DONE, stream={"heartbeat": "20ms"}, retry={"backoff_base": "1ms"}
        ) as (upstream, proxy),
        strict(proxy, method=b"PUT"),
    ):
        pass
    assert [request.body for request in upstream.requests] == [b"hello", b"hello"]


async def test_a_refusal_in_time_still_comes_without_the_body_being_asked_for() -> None:
    request_ = post(b"", fields=ACCEPT + b"Expect: 100-continue\r\n")
    async with dialled([length(b"no", b"401 No")], stream={"heartbeat": "1h"}) as (_, _, client):
        await client.send(request_.replace(b"Length: 0", b"Length: 5"))
        answer = await client.receive()
        assert (answer.status, answer.interim) == (401, [])


# What needs the upstream's own head

OFFER = ACCEPT + b"Connection: Upgrade\r\nUpgrade: foo\r\n"
LOGIN = ACCEPT + b"Authorization: Negotiate aGVsbG8=\r\n"
CHALLENGE = length(b"no", b"401 No", b"WWW-Authenticate: Negotiate d2h5\r\n")


@pytest.mark.parametrize(
    ("request_", "late", "status"),
    [
        (get(fields=OFFER), SWITCHING % b"foo", 101),
        (post(b"x", fields=OFFER), SWITCHING % b"foo", 101),
        (get(fields=OFFER), length(b"no", b"404 No"), 404),
        (get(fields=LOGIN), CHALLENGE, 401),
        (get(fields=ACCEPT).replace(b"GET", b"HEAD"), length(b"", b"404 No"), 404),
    ],
    ids=["upgrade", "upgrade with a body", "upgrade refused", "login", "HEAD"],
)
async def test_what_needs_the_head_of_the_upstream_is_not_opened_early(
    request_: bytes, late: bytes, status: int
) -> None:
    async with dialled(
        ["wait-body", 0.3, late, "hold"],
        stream={"heartbeat": "20ms"},
    ) as (_, _, client):
        await client.send(request_)
        assert (await client.receive(head_only=True, patience=LONG)).status == status


async def test_an_offer_that_ends_here_keeps_nobody_waiting() -> None:
    """HTTP/2 over cleartext is not offered to the upstream, so no 101 can come of it."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"
    async with dialled(["wait-body", "hold"], stream={"heartbeat": "20ms"}) as (_, _, client):
        await client.send(get(fields=ACCEPT + offer))
        await client.read_until(BEAT, LONG)
