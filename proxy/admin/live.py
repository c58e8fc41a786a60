"""``/api/live``: the state, second by second, as server-sent events.

What is sent is made once a second, and only while somebody listens; all listeners are sent the
same bytes. One that does not take them is cut, and asks again.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from proxy.admin.answers import FIELDS, SERVER, failed
from proxy.admin.door import Visitor
from proxy.admin.source import Source
from proxy.admin.state import state
from proxy.telemetry.call import Call
from proxy.telemetry.episodes import Episode
from proxy.telemetry.history import History
from proxy.telemetry.second import Event, Second

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

    __slots__ = ("_before", "_history", "_listeners", "_source")

    def __init__(self, history: History, source: Source) -> None:
        self._history = history
        self._source = source
        self._listeners: dict[asyncio.Queue[bytes | None], Callable[[], None]] = {}
        """Events that wait for each, and what ends its connection."""
        self._before = 0.0

    def publish(self, second: Second) -> None:
        """A second is over, and the history knows it."""
        history, at = self._history, second.at
        before, self._before = self._before, at
        if not self._listeners:
            return
        steps = history.between(before, 1.0)
        ended = [each for each in history.episodes.ended if each.noticed > before]
        news = News(
            at=at,
            series=history.series,
            step=steps[-1] if steps else None,
            in_flight=history.in_flight,
            kept=second.kept,
            causes=history.episodes.now(),
            ended=ended,
            events=second.events,
            connections=second.connections,
            state=state(self._source.describe()),
        )
        data = b"event: second\ndata: %b\n\n" % msgspec.json.encode(news)
        for listener, cut in list(self._listeners.items()):
            if listener.full():
                del self._listeners[listener]
                cut()
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
            return failed(f"{LISTENERS} listen already", 503)
        fields = {**FIELDS, "Content-Type": "text/event-stream", "Server": SERVER}
        response = web.StreamResponse(headers=fields)
        listener: asyncio.Queue[bytes | None] = asyncio.Queue(PENDING)
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        visitor = request.protocol
        assert isinstance(visitor, Visitor)
        visitor.stay()
        self._listeners[listener] = visitor.cut
        # A listener may leave at any time.
        with contextlib.suppress(ConnectionError):
            try:
                await response.write(b"retry: 1000\n\n")
                while (data := await listener.get()) is not None:
                    await response.write(data)
            finally:
                self._listeners.pop(listener, None)
        return response
