"""Streams of events whose Content-Encoding says that they have no coding.

Applications of Next.js send ``none`` so that no middleware compresses them, and ``identity`` is
what the proxy itself asks for. Such a stream counted as a compressed one.
"""

import asyncio
from typing import Any

import pytest

from tests.support.event_wire import ACCEPT, TYPE, said
from tests.support.message import get
from tests.support.proxy import dialled

LONG = 30.0
BEAT = b": heartbeat\n\n"
CODINGS = pytest.mark.parametrize("coding", [b"none", b"identity", b""])


def begin(coding: bytes) -> bytes:
    chunks = b"Transfer-Encoding: chunked\r\n\r\n"
    return TYPE + b"Content-Encoding: %b\r\n" % coding + chunks


@CODINGS
async def test_a_stream_that_was_opened_early_goes_on(coding: bytes) -> None:
    go = asyncio.Event()
    script: list[Any] = ["wait-body", go, begin(coding), said(b"data: 1\n\n"), b"0\r\n\r\n"]
    async with dialled(script, stream={"heartbeat": "20ms"}) as (_, _, client):
        await client.send(get(fields=ACCEPT))
        await client.read_until(BEAT, LONG)
        go.set()
        assert b"error" not in await client.read_until(b"data: 1\n\n\r\n0\r\n\r\n", LONG)


@CODINGS
async def test_a_stream_that_was_not_opened_early_has_heartbeats_and_a_last_event(
    coding: bytes,
) -> None:
    go = asyncio.Event()
    script: list[Any] = ["wait-body", begin(coding), said(b"data: 1\n\n"), go, "fin"]
    async with dialled(script, stream={"heartbeat": "20ms", "on_error": "event"}) as (_, _, client):
        await client.send(get())
        head = await client.read_until(b"data: 1\n\n\r\n", LONG)
        assert b"\r\nContent-Encoding: %b\r\n" % coding in head
        await client.read_until(BEAT, LONG)
        go.set()
        assert b"event: error\ndata: " in await client.rest(LONG)
        assert client.end == "fin"
