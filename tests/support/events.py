"""A stream of events, and a client that leaves it and comes back."""

import asyncio
from typing import Any

from proxy.core.exchange import Exchange
from proxy.core.reply import Ending, Reply
from proxy.http.fields import RawHeaders
from proxy.middleware.resume.resumable_streams import ResumableStreams
from proxy.middleware.resume.resume import Resume
from tests.support.loop import Script, get, loop_clock

EVENTS: RawHeaders = ((b"Content-Type", b"text/event-stream; charset=utf-8"),)
ME: RawHeaders = ((b"Authorization", b"Bearer me"),)


def event(number: int, text: bytes = b"x") -> bytes:
    return b"id: %d\ndata: %b\n\n" % (number, text)


class Feed:
    """A body that a test pushes; an exception breaks it, ``b""`` ends it."""

    buffered = None

    def __init__(self, *pushed: Any) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self.ending: Ending | None = None
        self.reads = 0
        for thing in pushed:
            self.push(thing)

    def push(self, thing: Any) -> None:
        self._queue.put_nowait(thing)

    async def read(self) -> bytes:
        self.reads += 1
        thing = await self._queue.get()
        if isinstance(thing, Exception):
            raise thing
        return bytes(thing)

    def close(self, ending: Ending) -> None:
        self.ending = ending


def stream(source: Feed, headers: RawHeaders = EVENTS, status: int = 200, **more: Any) -> Reply:
    return Reply(status, headers, source, **more)


def resuming(
    *outcomes: Any, most: int = 1000, window: int = 1 << 17
) -> tuple[Resume, ResumableStreams, Script]:
    """Ten seconds for a client to come back."""
    script, streams = Script(*outcomes), ResumableStreams(most, clock=loop_clock())
    return Resume(script, 10, streams, window=window, clock=loop_clock()), streams, script


def back(last: bytes, headers: RawHeaders = ME, **changes: Any) -> Exchange:
    """A request of a client that has seen this id."""
    exchange = get(headers=(*headers, (b"Last-Event-ID", last)))
    for name, value in changes.items():
        setattr(exchange, name, value)
    return exchange


async def rest(answer: Reply) -> bytes:
    taken = b""
    while chunk := await answer.read():
        taken += chunk
    return taken


async def come(answer: Reply, expected: bytes) -> bool:
    """Whether this comes next, in whatever pieces."""
    taken = b""
    while len(taken) < len(expected):
        taken += await answer.read()
    return taken == expected


async def lost(resume: Resume, source: Feed, *seen: bytes, headers: RawHeaders = ME) -> Reply:
    """A client that has read this and left."""
    answer = await resume.handle(get(headers=headers))
    for chunk in seen:
        source.push(chunk)
        assert await answer.read() == chunk
    answer.close(Ending.ABANDONED)
    return answer
