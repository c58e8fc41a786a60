"""Streams of events: opened before the upstream has answered, kept alive, ended with a word."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from proxy.core.errors import ProxyError, ReplyBroken, ReplyStalled
from proxy.core.exchange import Exchange
from proxy.core.fields import RawHeaders
from proxy.core.handler import Handler
from proxy.core.reply import Ending, Reply
from proxy.core.sse import Events as Scanner
from proxy.core.sse import accepts_events, streams_events

HEARTBEAT: Final = b": heartbeat\n\n"
_OPENED: Final[RawHeaders] = [
    (b"Content-Type", b"text/event-stream"),
    (b"Cache-Control", b"no-store"),
]
_OK: Final = 200
_BLANK: Final = (b"\n\n", b"\n\r\n", b"\r\r")
"""A line's end, and an empty line behind it."""
_SEAM: Final = 2
_BOM: Final = b"\xef\xbb\xbf"
_LONGEST: Final = 64 << 10
"""Bytes of an event that are held until it is whole; a longer one breaks without last words."""
_BEFORE: Final = 0.02
"""Seconds before ``total`` cuts a reply that its last word has to be said."""

Problem = Callable[[ProxyError | Reply, str], bytes]
"""An error, or a reply that cannot be shown any more, as problem+json; and the request id."""


class Events:
    """Says comments while an upstream is silent, and what went wrong where a stream breaks.

    What it makes of a reply is another reply around the same body, see decision 0010.
    """

    __slots__ = ("_heartbeat", "_inner", "_on_error", "_problem")

    def __init__(
        self, inner: Handler, *, heartbeat: float, on_error: bool, problem: Problem
    ) -> None:
        """``heartbeat`` in seconds, zero for none.

        ``on_error``: a broken stream ends with an event, whose data ``problem`` makes.
        """
        self._inner = inner
        self._heartbeat = heartbeat
        self._on_error = on_error
        self._problem = problem

    async def handle(self, exchange: Exchange) -> Reply:
        """As the rest of the chain, unless the heartbeat comes before it has an answer."""
        if not self._heartbeat or exchange.method == "HEAD" or not accepts_events(exchange.headers):
            return self._watched(exchange, await self._inner(exchange))
        task = asyncio.ensure_future(self._inner(exchange))
        try:
            await asyncio.wait((task,), timeout=self._heartbeat)
        except BaseException:
            abandon(task)
            raise
        if task.done():
            return self._watched(exchange, task.result())
        return Reply(_OK, _OPENED, Opened(self, exchange, task), reason=b"OK")

    def _watched(self, exchange: Exchange, reply: Reply) -> Reply:
        if (
            reply.buffered is not None
            or reply.length is not None
            or reply.duplex is not None
            or exchange.method == "HEAD"
            or not streams_events(reply.headers)
        ):
            return reply
        source = Watched(self, exchange, reply)
        watched = Reply(
            reply.status, reply.headers, source, reason=reply.reason, version=reply.version
        )
        watched.encoded = reply.encoded
        return watched

    @property
    def heartbeat(self) -> float | None:
        """Seconds of silence after which something is to be said."""
        return self._heartbeat or None

    def last_words(self, failed: ProxyError | Reply, exchange: Exchange) -> bytes:
        """The event that says what went wrong."""
        problem = self._problem(failed, exchange.request_id)
        return b"event: error\ndata: %b\n\n" % problem

    @property
    def speaks(self) -> bool:
        """Whether a stream that breaks gets last words."""
        return self._on_error


class Watched:
    """The body of a stream of events, with what we say in between."""

    __slots__ = (
        "_before",
        "_ended",
        "_error",
        "_events",
        "_exchange",
        "_halfway",
        "_held",
        "_odd",
        "_pending",
        "_reply",
        "_scanner",
    )

    buffered: Final = None

    def __init__(self, events: Events, exchange: Exchange, reply: Reply | None) -> None:
        self._events = events
        self._exchange = exchange
        self._reply = reply
        self._scanner = Scanner()
        self._pending: asyncio.Future[Any] | None = None
        self._held = b""
        """The start of an event, where the end of the stream may have to follow the one before."""
        self._before = b""
        """The last bytes that went out: an event's end may have come in two pieces."""
        self._halfway = False
        """Whether the start of an event is out, but not its end."""
        self._ended = False
        self._odd: Reply | None = None
        """What came instead of a stream."""
        self._error: ProxyError | None = None

    async def read(self) -> bytes:
        """The next bytes, the upstream's or ours. Raises ReplyBroken, after the last words."""
        if self._error is not None:
            raise self._error
        while not self._ended:
            try:
                data = await self._next()
            except ProxyError as error:
                if not self._speaks or self._halfway:
                    raise
                self._error = error
                return self._events.last_words(self._odd or error, self._exchange)
            if data is HEARTBEAT:
                return data
            self._ended = not data
            if data := self._taken(data):
                return data
        return b""

    def _taken(self, data: bytes) -> bytes:
        """What may go out: whole events, where a word of ours may have to follow.

        Half an event would be taken for a whole one, or ours for its end.
        """
        self._scanner.feed(data)
        if not self._events.speaks:
            self._halfway = not self._scanner.between
            return data
        data = self._held + data
        cut = len(data)
        if not (self._ended or self._scanner.between):
            before = self._before if self._halfway else b""
            end = max(_last_end(before + data) - len(before), 0)
            if (end or not self._halfway) and cut - end <= _LONGEST:
                cut = end
        self._held = data[cut:]
        self._halfway = not self._held and not self._scanner.between
        self._before = (self._before + data[:cut])[-_SEAM:]
        return data[:cut]

    @property
    def _speaks(self) -> bool:
        return self._events.speaks

    async def _next(self) -> bytes:
        """Raises ReplyBroken, and ReplyStalled a moment before the relay's own clock cuts."""
        heartbeat = self._events.heartbeat
        deadline = self._exchange.deadline
        if heartbeat is None and deadline is None:
            return await self._read()
        loop = asyncio.get_running_loop()
        if self._pending is None:
            self._pending = asyncio.ensure_future(self._read())
        while not self._pending.done():
            patience = heartbeat
            if deadline is not None and self._speaks:
                left = deadline - _BEFORE - loop.time()
                if left <= 0:
                    raise ReplyStalled("the time for the whole exchange was over")
                patience = left if heartbeat is None else min(heartbeat, left)
            asked = loop.time()
            await asyncio.wait((self._pending,), timeout=patience)
            silent = heartbeat is not None and loop.time() - asked >= heartbeat
            if silent and not self._pending.done() and not self._halfway:
                return HEARTBEAT
        done, self._pending = self._pending, None
        data: bytes = done.result()
        return data

    async def _read(self) -> bytes:
        assert self._reply is not None
        return await self._reply.read()

    def close(self, ending: Ending) -> None:
        """Stop reading, and close what is behind it."""
        pending, self._pending = self._pending, None
        if pending is not None:
            abandon(pending)
        if self._reply is not None:
            self._reply.close(ending)


class Opened(Watched):
    """The body of a stream that was opened before there was a reply."""

    __slots__ = ("_task",)

    def __init__(self, events: Events, exchange: Exchange, task: asyncio.Future[Reply]) -> None:
        super().__init__(events, exchange, None)
        self._task: asyncio.Future[Reply] | None = task
        self._pending = asyncio.ensure_future(self._opening(task))

    @property
    def _speaks(self) -> bool:
        """The status is out: there is no other way to say that it was not true."""
        return self._events.speaks or self._reply is None

    async def _opening(self, task: asyncio.Future[Reply]) -> bytes:
        """Wait for the reply, then for its first bytes. Raises ProxyError where there are none."""
        reply = await asyncio.shield(task)
        self._task = None
        if reply.status != _OK or not streams_events(reply.headers):
            whole = reply.buffered is not None
            reply.close(Ending.COMPLETE if whole else Ending.ABANDONED)
            self._odd = reply
            raise ReplyBroken(f"status {reply.status} to a stream that was opened")
        self._reply = reply
        # A BOM is one at the start of a stream only, and this one has begun.
        data = await reply.read()
        while data and data != _BOM and _BOM.startswith(data) and (more := await reply.read()):
            data += more
        if data.startswith(_BOM):
            data = data[len(_BOM) :] or await reply.read()
        return data

    def close(self, ending: Ending) -> None:
        """The chain may still be at work."""
        task, self._task = self._task, None
        super().close(ending)
        if task is not None:
            abandon(task)


def _last_end(data: bytes) -> int:
    """Where the last whole event ends."""
    ends = [data.rfind(end) + len(end) for end in _BLANK if end in data]
    return max(ends, default=0)


def abandon(task: asyncio.Future[Any]) -> None:
    """Nobody waits for it any more; a reply that comes all the same is closed."""
    task.cancel()
    task.add_done_callback(_closed)


def _closed(task: asyncio.Future[Any]) -> None:
    if not task.cancelled() and task.exception() is None and isinstance(task.result(), Reply):
        task.result().close(Ending.ABANDONED)
