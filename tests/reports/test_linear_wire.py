"""What comes byte by byte is read once, by the whole proxy; counted as in ``test_linear``."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from proxy.core.reply import Reply
from proxy.core.size import Size
from proxy.core.stream_options import StreamOptions
from proxy.edge.http1.spool import Room, Spool
from proxy.middleware.commit import Commit
from proxy.middleware.resume.resumable_stream import ResumableStream
from tests.support.event_wire import EVENTS, said
from tests.support.events import Feed
from tests.support.loop import Script, get
from tests.support.message import CHUNKED_HEAD
from tests.support.message import get as request
from tests.support.proxy import dialled, fronted
from tests.support.work import grows_like

BOUND = 1.7
LONG = 60.0
TYPE = ((b"Content-Type", b"text/event-stream"),)


def dripped(data: bytes) -> Callable[[Any, Any], Awaitable[None]]:
    """A step of an upstream that writes byte by byte."""

    async def step(connection: Any, _: Any) -> None:
        for i in range(len(data)):
            connection.transport.write(data[i : i + 1])
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    return step


async def answered(*steps: Any, **options: Any) -> None:
    """A client asks, and reads all of it."""
    async with fronted(["wait-body", *steps], **options) as (_, proxy):
        answer = await proxy.ask(request(), patience=LONG)
        assert answer.ended == "complete"


async def asked(data: bytes) -> None:
    """A client sends byte by byte; what it sends behind its request may find nobody any more."""
    async with dialled(server={"request_headers_timeout": "10m"}) as (_, _, client):
        with contextlib.suppress(ConnectionError):
            for i in range(len(data)):
                await client.send(data[i : i + 1])
                await asyncio.sleep(0)
        answer = await client.receive(patience=LONG)
        assert answer.status == 200


def events(size: int) -> bytes:
    text = b"data: " + b"x" * size + b"\n\n"
    return b"".join(said(text[i : i + 1]) for i in range(len(text))) + b"0\r\n\r\n"


async def kept(size: int) -> None:
    """A stream that may be resumed."""
    text = b"id: 1\ndata: " + b"x" * size
    feed = Feed(*(text[i : i + 1] for i in range(len(text))), b"")
    stream = ResumableStream(Reply(200, TYPE, feed), lambda _: None)
    client = stream.attach(reset=False)
    while await client.read():
        pass


async def held(size: int) -> None:
    """A body that is held until it is whole, and one until its first event."""
    for length in (size, None):
        feed = Feed(*[b":"] * size, b"")
        reply = Reply(200, TYPE, feed, length=length)
        await Commit(Script(reply), StreamOptions(commit="body:64KiB")).handle(get())


async def spooled(size: int) -> None:
    """A body that is kept for another try."""
    spool = Spool(Size(1 << 20), disk=False, room=Room())
    for _ in range(size):
        await spool.put(b"x")
    place = 0
    while place < size:
        place += len(await spool.get(place))
    spool.close()


CASES: dict[str, Callable[[int], Any]] = {
    "a reply's field": lambda n: answered(
        dripped(b"HTTP/1.1 200 OK\r\nX: " + b"a" * n + b"\r\nContent-Length: 0\r\n\r\n")
    ),
    "a reply's fields": lambda n: answered(
        dripped(b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * (n // 6) + b"Content-Length: 0\r\n\r\n")
    ),
    "chunks of a reply": lambda n: answered(
        CHUNKED_HEAD, dripped(said(b"x") * (n // 6) + b"0\r\n\r\n")
    ),
    "a chunk's extension": lambda n: answered(
        CHUNKED_HEAD, dripped(b"1;" + b"a" * n + b"\r\nx\r\n0\r\n\r\n")
    ),
    "events": lambda n: answered(
        EVENTS,
        dripped(events(n // 6)),
        stream={"commit": "first_chunk", "heartbeat": "1h", "on_error": "event", "resume": "1m"},
        timeouts={"progress": "1h"},
    ),
    "a request's field": lambda n: asked(
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * n + b"\r\n\r\n"
    ),
    "a request's fields": lambda n: asked(
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * (n // 6) + b"\r\n"
    ),
    "a request's body": lambda n: asked(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % n + b"x" * n
    ),
    "chunks of a request": lambda n: asked(
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        + said(b"x") * (n // 6)
        + b"0\r\n\r\n"
    ),
    "what follows an offer": lambda n: asked(
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" + b"x" * n
    ),
    "a kept stream": kept,
    "a held body": held,
    "a spooled body": spooled,
}


LOOPED = {"a request's fields", "a reply's fields"}
"""A head is at hand while its lines are gone through: only steps count."""


@pytest.mark.parametrize("name", CASES)
def test_byte_by_byte_costs_the_same_for_each(name: str) -> None:
    pieces = name not in LOOPED
    assert grows_like(lambda size: asyncio.run(CASES[name](size)), 600, pieces=pieces) < BOUND
