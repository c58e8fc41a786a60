"""An option of ``[stream]`` that does not ask for holding holds nothing; a hold has a clock.

rilldata/rill#8795: with heartbeats on, head and pings of a stream came with its first event.
"""

import asyncio
from typing import Any

import pytest

from tests.support.event_wire import ACCEPT, EVENTS, said
from tests.support.message import CHUNKED_HEAD, get
from tests.support.proxy import dialled, fronted
from tests.support.upstream import HEALTHY

LONG = 30.0
"""Seconds that a busy machine may take."""
JSON = b"Accept: application/json\r\n"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"heartbeat": "1h"},
        {"on_error": "event"},
        {"on_error": "openai"},
        {"resume": "1m"},
        {"heartbeat": "1h", "on_error": "anthropic", "resume": "1m"},
        {"commit": "headers"},
    ],
    ids=str,
)
@pytest.mark.parametrize("accept", [b"", ACCEPT, JSON])
async def test_head_and_pings_go_through_before_the_first_event(
    options: dict[str, str], accept: bytes
) -> None:
    go = asyncio.Event()
    script = ["wait-body", EVENTS, said(b": ping\n\n"), go, said(b"data: 1\n\n"), b"0\r\n\r\n"]
    async with dialled(script, stream=options) as (_, _, client):
        await client.send(get(fields=accept))
        await client.read_until(b": ping\n\n", LONG)  # else nothing would ever come
        go.set()
        await client.read_until(b"data: 1\n\n", LONG)


@pytest.mark.parametrize("commit", ["first_chunk", "body:64KiB"])
@pytest.mark.parametrize(
    ("script", "seen"),
    [
        ([EVENTS], b"\r\n\r\n"),
        ([EVENTS, said(b": ping\n\n")], b": ping\n\n"),
        ([EVENTS, said(b": ping\n\n"), 0.01, said(b"event: ping\ndata: {}\n\n")], b"{}\n\n"),
        ([CHUNKED_HEAD], b"\r\n\r\n"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"], b"\r\n\r\n"),
    ],
)
async def test_a_hold_ends_with_its_clock(commit: str, script: list[Any], seen: bytes) -> None:
    options = {"commit": commit, "commit_wait": "50ms"}
    async with dialled(["wait-body", *script, "hold"], stream=options) as (_, _, client):
        await client.send(get())
        await client.read_until(seen, LONG)


async def test_a_small_body_that_drips_is_shown_when_the_hold_is_over() -> None:
    script = ["wait-body", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", "hold"]
    async with dialled(
        script,
        stream={"commit": "body:64KiB", "commit_wait": "50ms"},
    ) as (_, _, client):
        await client.send(get())
        await client.read_until(b"\r\n\r\nab", LONG)


async def test_what_breaks_before_the_clock_is_still_tried_again() -> None:
    options = {"commit": "first_chunk", "commit_wait": "1h"}
    async with fronted(
        ["wait-body", EVENTS, said(b": ping\n\n"), 0.01, "rst"],
        HEALTHY,
        stream=options,
        retry={"on": ["reset"]},
    ) as (_, proxy):
        assert (await proxy.ask(get(), patience=LONG)).body == b"ok"


@pytest.mark.parametrize("commit", ["headers", "first_chunk"])
@pytest.mark.parametrize("accept", [b"", JSON, ACCEPT, b"Accept: */*\r\n"])
async def test_whatever_a_client_accepts_it_gets_heartbeats_in_a_stream(
    commit: str, accept: bytes
) -> None:
    options = {"heartbeat": "20ms", "commit": commit, "commit_wait": "40ms"}
    go = asyncio.Event()
    script = ["wait-body", EVENTS, said(b": ping\n\n"), go, said(b"data: 1\n\n"), b"0\r\n\r\n"]
    async with dialled(script, stream=options) as (_, _, client):
        await client.send(get(fields=accept))
        for _ in range(3):
            await client.read_until(b": heartbeat\n\n", LONG)
        go.set()
        await client.read_until(b"data: 1\n\n", LONG)


async def test_the_progress_clock_goes_on_behind_a_hold() -> None:
    options = {"commit": "first_chunk", "commit_wait": "60ms"}
    async with fronted(
        ["wait-body", EVENTS, "hold"], stream=options, timeouts={"progress": "300ms", "idle": "1h"}
    ) as (_, proxy):
        answer = await proxy.ask(get(), patience=LONG)
        assert (answer.status, answer.ended) == (200, "fin-short")
        assert (await proxy.record()).error == "http_response_timeout"
