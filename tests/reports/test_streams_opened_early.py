"""Who is given a stream before there is an answer, and what it is told when that was wrong."""

import asyncio
from typing import Any

import pytest

from tests.support.event_wire import ACCEPT, EVENTS, TYPE, last_words, said
from tests.support.message import get, length, post
from tests.support.proxy import proxied
from tests.support.upstream import RawUpstream

LONG = 30.0
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
    async with (
        RawUpstream(["wait-body", 0.2, JSON]) as upstream,
        proxied(upstream, stream={"heartbeat": "20ms"}) as proxy,
    ):
        answer = await proxy.ask(post(b"{}", fields=accept(value)), patience=LONG)
        assert (answer.value("Content-Type"), answer.body) == (b"application/json", b"{}")


@pytest.mark.parametrize("value", ["text/event-stream", "text/event-stream, */*;q=0.1"])
async def test_a_client_that_prefers_events_is_not_kept_waiting(value: str) -> None:
    async with (
        RawUpstream(["wait-body", "hold"]) as upstream,
        proxied(upstream, stream={"heartbeat": "20ms"}) as proxy,
        await proxy.connect() as client,
    ):
        await client.send(get(fields=accept(value)))
        await client.read_until(b": heartbeat\n\n", LONG)


@pytest.mark.parametrize("coding", ["gzip, deflate, br", "*", "gzip\r\naccept-encoding: br"])
async def test_what_is_opened_early_is_asked_for_without_a_coding(coding: str) -> None:
    fields = ACCEPT + b"Accept-Encoding: %b\r\n" % coding.encode()
    async with (
        RawUpstream(["wait-body", EVENTS, said(b"data: 1\n\n"), b"0\r\n\r\n"]) as upstream,
        proxied(upstream, stream={"heartbeat": "1h"}) as proxy,
    ):
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
    async with (
        RawUpstream() as upstream,
        proxied(upstream, stream={"heartbeat": heartbeat}) as proxy,
    ):
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
    async with (
        RawUpstream(["wait-body", go, *late]) as upstream,
        proxied(upstream, stream={"heartbeat": "20ms"}, retry={"attempts": 1}) as proxy,
        await proxy.connect() as client,
    ):
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
