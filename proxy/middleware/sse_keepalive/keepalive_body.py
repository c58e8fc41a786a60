"""The body of a stream of events, with what the proxy says in between."""

import asyncio
from codecs import BOM_UTF8
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from proxy.core.clock import Clock
from proxy.core.errors import ProxyError, ReplyBroken
from proxy.core.exchange import Exchange
from proxy.core.reply import AllSaid, Ending, Reply
from proxy.core.timeouts import time_over
from proxy.http.event_ends import EventEnd
from proxy.http.fields import RawHeaders
from proxy.http.sse import SseScanner, streams_events
from proxy.http.upstream_request_id import upstream_id

HEARTBEAT: Final = b": heartbeat\n\n"
_OK: Final = 200
_MAX_HELD: Final = 64 << 10
"""Bytes of an event that are held until all of it has come; a stream that breaks in a longer one
ends without an error event."""
_LAST_EVENT_TIME: Final = 1.0
"""Seconds before ``total`` cuts a reply, in which its error event is sent, if they are not more
than a tenth of it. A busy machine needs them: what comes too late is cut without a word."""

ErrorEvent: TypeAlias = Callable[[ProxyError | Reply, str], bytes]
"""Of an error, or of a reply that cannot be shown any more, and the request id: the last event."""


class Words(NamedTuple):
    """What the proxy says in a stream of events, and when."""

    heartbeat: float | None
    """Seconds of silence after which a comment is sent; None: no comments."""
    sends_error_event: bool
    """Whether a stream that breaks ends with an event that says so."""
    error_event: ErrorEvent
    clock: Clock


class KeepAliveBody:
    """The body of a stream of events, with what the proxy says in between."""

    __slots__ = (
        "_begun",
        "_came",
        "_end",
        "_ended",
        "_error",
        "_event_open",
        "_exchange",
        "_held",
        "_held_size",
        "_marked",
        "_next_read",
        "_reply",
        "_scanner",
        "_spoken",
        "_words",
    )

    buffered: Final = None

    def __init__(self, words: Words, exchange: Exchange, reply: Reply | None) -> None:
        self._words = words
        self._exchange = exchange
        self._reply = reply
        self._scanner = SseScanner()
        self._end = EventEnd()
        self._next_read: asyncio.Future[Any] | None = None
        self._held: list[bytes] = []
        """The start of an event, kept back: an error event may have to be sent before it."""
        self._held_size = 0
        self._event_open = False
        """Whether the start of an event has been given out, but not its end."""
        self._begun = False
        """Whether any byte of the upstream's has come."""
        self._spoken = False
        """Whether something of ours has been given out."""
        self._marked = False
        """Whether what is held may begin with a byte order mark."""
        self._ended = False
        self._came: ProxyError | Reply | None = None
        """What came instead of a stream of events."""
        self._error: ProxyError | None = None

    async def read(self) -> bytes:
        """The next bytes, the upstream's or ours.

        Raises ReplyBroken, after the error event; AllSaid where none is needed.
        """
        if self._error is not None:
            raise self._error
        while not self._ended:
            try:
                data = await self._next()
            except ProxyError as error:
                if not self._may_say_why():
                    raise
                if isinstance(error, ReplyBroken) and self._end.is_over():
                    raise AllSaid(error) from None
                self._error = error
                return self._words.error_event(self._came or error, self._exchange.request_id)
            if data is HEARTBEAT:
                return data
            self._ended = not data
            if data := self._release_events(data):
                return data
        return b""

    def last_words(self, error: ProxyError) -> bytes | None:
        """As ``Reply`` has it: the error event of a stream that does not break, but is ended."""
        if self._error is not None or not self._may_say_why():
            return None
        if self._end.is_over():
            return b""
        return self._words.error_event(error, self._exchange.request_id)

    def _may_say_why(self) -> bool:
        """Not where the API has done that, or a proxy behind this one."""
        return self._sends_error_event and not (self._event_open or self._end.has_failed())

    def _release_events(self, data: bytes) -> bytes:
        """What may be given out now: whole events only, if an error event may have to follow.

        Behind half an event, the error event would be taken for the end of that one.
        """
        scanner = self._scanner
        if not self._words.sends_error_event:
            scanner.feed(data)
            self._event_open = not scanner.between
            return data
        self._end.hear(data)
        end = scanner.last_end(data)
        scanner.feed(data)
        cut = len(data)
        if not (self._ended or scanner.between):
            left = cut - end + (0 if end else self._held_size)
            if (end or not self._event_open) and left <= _MAX_HELD:
                cut = end
        if not cut and not self._ended:
            self._held.append(data)
            self._held_size += len(data)
            return b""
        out = b"".join([*self._held, data[:cut]])
        self._held = [data[cut:]] if cut < len(data) else []
        self._held_size = len(data) - cut
        self._event_open = not self._held and not scanner.between
        if self._marked:
            self._marked = False
            if self._spoken:  # while it was held
                return out.removeprefix(BOM_UTF8)
        return out

    @property
    def _sends_error_event(self) -> bool:
        return self._words.sends_error_event

    async def _next(self) -> bytes:
        """The upstream's next bytes, or a heartbeat.

        Raises ReplyBroken, and ReplyStalled just before the deadline, when the relay would cut.
        """
        heartbeat = self._words.heartbeat
        deadline = self._exchange.deadline
        if heartbeat is None and deadline is None:
            return await self._read()
        if self._next_read is None:
            self._next_read = asyncio.ensure_future(self._read())
        while not self._next_read.done():
            patience = heartbeat
            if deadline is not None and self._sends_error_event:
                needed = min(_LAST_EVENT_TIME, (deadline - self._exchange.asked_at) / 10)
                left = deadline - needed - self._words.clock()
                if left <= 0:
                    raise time_over(self._exchange.record.bound)
                patience = left if heartbeat is None else min(heartbeat, left)
            await asyncio.wait((self._next_read,), timeout=patience)
            silent = heartbeat is not None and patience == heartbeat
            fits = not (self._event_open or self._end.is_over())
            if silent and not self._next_read.done() and fits:
                self._spoken = True
                return HEARTBEAT
        done, self._next_read = self._next_read, None
        data: bytes = done.result()
        return data

    async def _read(self) -> bytes:
        assert self._reply is not None
        data = await self._reply.read()
        if not self._begun:
            self._begun = True
            self._marked = not self._spoken
            if self._spoken:
                data = await _without_bom(data, self._reply)
        return data

    def close(self, ending: Ending) -> None:
        """Stop reading, and close the upstream's reply."""
        pending, self._next_read = self._next_read, None
        if pending is not None:
            abandon(pending)
        if self._reply is not None:
            self._reply.close(ending)


class EarlyBody(KeepAliveBody):
    """The body of a stream that was opened before there was a reply."""

    __slots__ = ("_task",)

    def __init__(self, words: Words, exchange: Exchange, task: asyncio.Future[Reply]) -> None:
        super().__init__(words, exchange, None)
        self._task: asyncio.Future[Reply] | None = task
        self._next_read = asyncio.ensure_future(self._opening(task))

    @property
    def _sends_error_event(self) -> bool:
        """Always until there is a reply: status 200 is sent already, and cannot be taken back."""
        return self._words.sends_error_event or self._reply is None

    async def _opening(self, task: asyncio.Future[Reply]) -> bytes:
        """Wait for the reply, then for its first bytes. Raises ProxyError where there are none."""
        reply = await asyncio.shield(task)
        self._task = None
        exchange = self._exchange
        ours = exchange.request_id.encode()
        exchange.record.upstream_request_id = upstream_id(reply.headers, ours)
        if reply.status != _OK or not streams_events(reply.headers):
            reply.drop()
            # A fixed reply is no word of the upstream's: what it stands in for is told.
            self._came = (exchange.record.covered if exchange.error else None) or reply
            record = exchange.record
            if not record.outcome and record.first_byte_at is not None:
                record.outcome = str(record.reply_status)
            error = ReplyBroken(
                f"the upstream answered {reply.status} to a stream that was open already"
            )
            error.whole = True
            raise error
        self._reply = reply
        return await self._read()

    def trailers(self) -> RawHeaders:
        """The trailers of the reply that came at last."""
        return () if self._reply is None else self._reply.last_trailers()

    def close(self, ending: Ending) -> None:
        """As above; the rest of the chain is cancelled if it has not answered yet."""
        task, self._task = self._task, None
        super().close(ending)
        if task is not None:
            abandon(task)


async def _without_bom(data: bytes, reply: Reply) -> bytes:
    """``data``, with which a body begins: its BOM is one at the start of what a client gets only.

    Behind a heartbeat it would be a part of a field's name (WHATWG HTML 9.2.5).
    """
    while data and data != BOM_UTF8 and BOM_UTF8.startswith(data) and (more := await reply.read()):
        data += more
    if data.startswith(BOM_UTF8):
        return data[len(BOM_UTF8) :] or await reply.read()
    return data


def abandon(task: asyncio.Future[Any]) -> None:
    """Cancel a task that nobody waits for; if it gives a reply all the same, close that."""
    task.cancel()
    task.add_done_callback(_closed)


def _closed(task: asyncio.Future[Any]) -> None:
    if not task.cancelled() and task.exception() is None and isinstance(task.result(), Reply):
        task.result().close(Ending.ABANDONED)
