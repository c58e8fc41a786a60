"""Streams of events: clocks, what is held, and how they end when they break."""

import asyncio
from typing import Any

import pytest

from tests.support.event_wire import ACCEPT, EVENTS, TYPE, last_words, said
from tests.support.message import OK, get, post
from tests.support.proxy import dialled, fronted
from tests.support.upstream import HEALTHY

KEY = b"Idempotency-Key: k\r\n"

# progress


@pytest.mark.parametrize("ping", [b": ping\n\n", b"event: ping\ndata: {}\n\n"])
@pytest.mark.parametrize("idle", ["1h", "0", "600ms"])
async def test_pings_are_no_progress(ping: bytes, idle: str) -> None:
    pings = [step for _ in range(200) for step in (said(ping), 0.05)]
    async with fronted(
        ["wait-body", EVENTS, said(b"data: 1\n\n"), *pings],
        timeouts={"progress": "700ms", "idle": idle},
    ) as (_, proxy):
        answer = await proxy.ask(get())
        assert answer.ended == "fin-short"
        assert 1 <= answer.body.count(ping) < 100
        assert (await proxy.record()).error == "http_response_timeout"


async def test_events_are_progress() -> None:
    events = [step for _ in range(20) for step in (said(b"data: 1\n\n"), 0.12)]
    async with fronted(
        ["wait-body", EVENTS, *events, b"0\r\n\r\n"], timeouts={"progress": "2s"}
    ) as (_, proxy):
        answer = await proxy.ask(get())
        assert (answer.ended, answer.body.count(b"data")) == ("complete", 20)


async def test_other_types_are_not_on_the_progress_clock() -> None:
    head = EVENTS.replace(b"event-stream", b"plain")
    pings = [step for _ in range(20) for step in (said(b": ping\n\n"), 0.01)]
    async with fronted(
        ["wait-body", head, *pings, b"0\r\n\r\n"], timeouts={"progress": "50ms"}
    ) as (_, proxy):
        assert (await proxy.ask(get())).ended == "complete"


# commit


@pytest.mark.parametrize("commit", ["first_chunk", "body:64KiB"])
@pytest.mark.parametrize(
    ("request_", "status"),
    [(get(), 200), (post(b"x", fields=KEY), 200), (post(b"x"), 502)],
    ids=["get", "post with a key", "post"],
)
async def test_what_breaks_behind_pings_alone_can_be_asked_again(
    commit: str, request_: bytes, status: int
) -> None:
    broken = ["wait-body", EVENTS, said(b": hello\n\n"), 0.01, said(b": ping\n\n"), 0.01, "rst"]
    async with fronted(
        broken,
        HEALTHY,
        stream={"commit": commit},
        retry={"on": ["reset"]},
    ) as (upstream, proxy):
        answer = await proxy.ask(request_)
        assert answer.status == status
        assert len(upstream.requests) == (2 if status == 200 else 1)


async def test_pings_that_were_held_come_with_the_first_event() -> None:
    go = asyncio.Event()
    pieces = (b": hello\n\n", b"event: ping\ndata\n\n", b"data: 1\n\n")
    script = ["wait-body", EVENTS, said(*pieces[:2]), 0.02, said(pieces[2]), go, b"0\r\n\r\n"]
    async with dialled(script, stream={"commit": "first_chunk"}) as (_, _, client):
        await client.send(get())
        seen = await client.read_until(b"data: 1\n\n")
        assert seen.endswith(b"".join(pieces))
        go.set()


async def test_pings_are_not_held_without_end() -> None:
    go = asyncio.Event()
    ping = b":" + b"." * 1022 + b"\n"
    async with dialled(
        ["wait-body", EVENTS, *[said(ping)] * 70, go, b"0\r\n\r\n"],
        stream={"commit": "first_chunk"},
    ) as (_, _, client):
        await client.send(get())
        await client.read_until(b"\r\n\r\n")
        go.set()


# on_error


BREAKS: list[tuple[list[Any], int, str]] = [
    # how it breaks, status in the event, token in the log
    ([0.02, "rst"], 502, "http_response_incomplete"),
    ([0.02, "fin"], 502, "http_response_incomplete"),
    ([0.02, b"ZZ\r\n"], 502, "http_response_incomplete"),
    (["hold"], 504, "http_response_timeout"),
]


def patience(status: int) -> dict[str, str]:
    """``idle`` is short where it is what ends the reply."""
    return {"idle": "100ms" if status == 504 else "1m"}


@pytest.mark.parametrize(("end", "status", "token"), BREAKS)
@pytest.mark.parametrize("half", [b"", b"data: half", b"id: 7\ndata: half\n"])
async def test_a_broken_stream_ends_with_an_event_and_a_cut(
    end: list[Any], status: int, token: str, half: bytes
) -> None:
    first = b"data: 1\n\n"
    script = ["wait-body", EVENTS, said(first, *([half] if half else [])), *end]
    async with fronted(
        script,
        stream={"on_error": "event"},
        timeouts=patience(status),
    ) as (_, proxy):
        answer = await proxy.ask(get())
        record = await proxy.record()
        problem = last_words(answer, first)
        assert problem["status"] == status
        assert problem["instance"] == record.request_id
        assert (record.status, record.error) == (200, token)


DONE = b"data: 1\n\ndata: [DONE]\n\n"
STOPPED = b"event: message_start\ndata: {}\n\nevent: message_stop\ndata: {}\n\n"


@pytest.mark.parametrize(("end", "status", "token"), BREAKS)
@pytest.mark.parametrize("whole", [DONE, STOPPED])
async def test_nothing_is_said_behind_the_last_event_and_the_reply_is_whole(
    end: list[Any], status: int, token: str, whole: bytes
) -> None:
    stream = {"on_error": "event", "heartbeat": "30ms"}
    limit = {"consecutive_failures": 1, "base_ejection_time": "1h", "max_ejection_percent": 100}
    async with dialled(
        ["wait-body", EVENTS, said(whole), *end],
        [OK],
        stream=stream,
        timeouts=patience(status),
        circuit_breaker=limit,
    ) as (_, proxy, client):
        answer = await client.ask(get())
        assert bytes(answer.body) == whole
        record = await proxy.record()
        assert (record.status, record.error) == (200, token)
        assert (await client.ask(get())).status == 200  # and it counts for no server


async def test_total_leaves_time_for_last_words() -> None:
    async with fronted(
        ["wait-body", EVENTS, said(b"data: 1\n\n"), "hold"],
        stream={"on_error": "event"},
        timeouts={"total": "4s"},
    ) as (_, proxy):
        assert last_words(await proxy.ask(get()), b"data: 1\n\n")["status"] == 504


async def test_without_on_error_a_broken_stream_is_cut() -> None:
    async with fronted(
        ["wait-body", EVENTS, said(b"data: 1\n\n"), 0.02, "rst"],
        stream={},
    ) as (_, proxy):
        answer = await proxy.ask(get())
        assert (answer.ended, bytes(answer.body)) == ("fin-short", b"data: 1\n\n")


@pytest.mark.parametrize(
    "head",
    [
        TYPE + b"Content-Length: 50\r\n\r\n",
        TYPE + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
        EVENTS.replace(b"event-stream", b"plain"),
    ],
    ids=["length", "encoded", "no events"],
)
async def test_what_has_no_room_for_last_words_is_cut(head: bytes) -> None:
    body = b"data: 1\n\n" if b"Length" in head else said(b"data: 1\n\n")
    async with fronted(
        ["wait-body", head, body, 0.02, "rst"], stream={"on_error": "event", "commit": "headers"}
    ) as (_, proxy):
        answer = await proxy.ask(get())
        assert (answer.ended, bytes(answer.body)) == ("fin-short", b"data: 1\n\n")


async def test_an_event_that_is_too_long_to_be_held_is_cut_in_the_middle() -> None:
    half = b"data: " + b"x" * (70 << 10)
    async with fronted(
        ["wait-body", EVENTS, said(half), 0.05, "rst"],
        stream={"on_error": "event", "commit": "headers"},
    ) as (_, proxy):
        answer = await proxy.ask(get())
        assert (answer.ended, bytes(answer.body)) == ("fin-short", half)


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
@pytest.mark.parametrize("split", [0, 1, 2, 3])
async def test_half_an_event_behind_a_lot_is_not_let_out(end: bytes, split: int) -> None:
    many = (b"data: " + b"x" * 1000 + end) * 70
    long = b"data: " + b"y" * (70 << 10) + end
    for whole in (many, long):
        at = len(whole) - split
        pieces = (whole[:at], whole[at:] + b"data: half")
        if whole is long and split == 0:  # the long event has to be on its way by itself
            pieces = (whole[:-10], whole[-10:] + b"data: half")
        steps = [step for piece in pieces if piece for step in (said(piece), 0.02)]
        async with fronted(
            ["wait-body", EVENTS, *steps, "rst"], stream={"on_error": "event", "commit": "headers"}
        ) as (_, proxy):
            assert last_words(await proxy.ask(get()), whole)["status"] == 502


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
async def test_a_whole_stream_passes_byte_for_byte(end: bytes) -> None:
    lines = [b": c", b"data: 1", b"", b"event: ping", b"data", b"", b"data: 2", b"data: 3", b""]
    stream = end.join(lines) + end + b"data: the end is missing"
    bytewise = [said(stream[i : i + 1]) for i in range(len(stream))]
    async with fronted(
        ["wait-body", EVENTS, *bytewise, b"0\r\n\r\n"],
        stream={"on_error": "event", "heartbeat": "1h"},
    ) as (_, proxy):
        answer = await proxy.ask(get(fields=ACCEPT))
        assert (answer.ended, bytes(answer.body)) == ("complete", stream)
