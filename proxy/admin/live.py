"""``/api/live``: the state, second by second, as server-sent events.

What is sent is made once a second, and only while somebody listens; all listeners are sent the
same bytes. One that does not take them is cut, and asks again.
"""

import asyncio
from typing import Any, Final

import msgspec
from aiohttp import web

from proxy.admin.answers import FIELDS
from proxy.admin.source import Source
from proxy.admin.state import state
from proxy.telemetry.call import Call
from proxy.telemetry.episodes import Episode
from proxy.telemetry.second import Event

LISTENERS: Final = 32
"""At a time; one more is refused with 503."""
PENDING: Final = 8
"""Events that may wait for a listener."""


class News(msgspec.Struct):
    """What happened in one second."""

    at: float
    series: list[tuple[str, str, str]]
    """Route, upstream and server, in the order of their numbers."""
    step: dict[str, Any] | None
    """As ``telemetry/history`` gives it; None where nothing happened."""
    in_flight: list[Call]
    kept: list[Call]
    """Calls that were slow or failed, and ended in this second."""
    causes: list[Episode]
    """What is wrong now."""
    ended: list[Episode]
    """What has stopped being wrong."""
    events: list[Event]
    connections: int
    state: dict[str, Any]


class Live:
    """Those who listen."""

    __slots__ = ("_ended", "_listeners", "_source")

    def __init__(self, source: Source) -> None:
        self._source = source
        self._listeners = set[asyncio.Queue[bytes | None]]()
        self._ended = 0.0

    @property
    def wanted(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def publish(self, *, at: float, kept: list[Call], events: list[Event], connections: int) -> None:
        """A second is over, and the history knows it."""
        history = self._source.history
        before, self._ended = self._ended, at
        if not self._listeners:
            return
        steps = history.between(at - 0.5, 1.0)
        news = News(
            at=at,
            series=history.series,
            step=steps[-1] if steps else None,
            in_flight=history.in_flight,
            kept=kept,
            causes=history.episodes.now(),
            ended=[each for each in history.episodes.ended if before < each.last + 5.0 <= at + 1],
            events=events,
            connections=connections,
            state=state(self._source.samples()),
        )
        data = b"event: second\ndata: %b\n\n" % msgspec.json.encode(news)
        for listener in list(self._listeners):
            if listener.full():
                self._listeners.discard(listener)
                listener.get_nowait()
                listener.put_nowait(None)
            else:
                listener.put_nowait(data)

    def close(self) -> None:
        """The proxy ends: so does what is sent to them."""
        for listener in self._listeners:
            if listener.full():
                listener.get_nowait()
            listener.put_nowait(None)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Until the listener leaves."""
        if len(self._listeners) >= LISTENERS:
            return web.Response(status=503, text=f"{LISTENERS} listen already\n")
        response = web.StreamResponse(headers={**FIELDS, "Content-Type": "text/event-stream"})
        listener: asyncio.Queue[bytes | None] = asyncio.Queue(PENDING)
        await response.prepare(request)
        await response.write(b"retry: 1000\n\n")
        self._listeners.add(listener)
        try:
            while (data := await listener.get()) is not None:
                await response.write(data)
        finally:
            self._listeners.discard(listener)
        return response
