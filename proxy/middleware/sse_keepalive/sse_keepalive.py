"""Streams of events: opened before there is an answer, kept alive, ended with an error event."""

import asyncio
from functools import partial
from typing import Final

from proxy.core.clock import Clock
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.core.scope import Scope
from proxy.core.stream_options import StreamOptions
from proxy.http.accept import prefers_events
from proxy.http.fields import RawHeaders, has, replaced
from proxy.http.origin import of_other_origin
from proxy.http.sse import EVENT_STREAM, streams_events
from proxy.middleware.sse_keepalive.keepalive_body import (
    EarlyBody,
    ErrorEvent,
    KeepAliveBody,
    Words,
    abandon,
)

_OPENED: Final[RawHeaders] = [
    (b"Content-Type", EVENT_STREAM),
    (b"Cache-Control", b"no-store"),
]
_OK: Final = 200
_PART: Final = 206
"""A range of a stored stream: more bytes would be no part of it (RFC 9110 15.3.7)."""
_ABORT: Final = "abort"


def link(scope: Scope, inner: Handler) -> Handler | None:
    """Where ``[stream] heartbeat`` or ``on_error`` has anything to say."""
    options = scope.find(StreamOptions)
    if options is None or not (options.heartbeat or options.on_error != _ABORT):
        return None
    return SseKeepAlive(
        inner,
        heartbeat=options.heartbeat,
        sends_error_event=options.on_error != _ABORT,
        error_event=partial(scope.error_event, shape=options.on_error),
        clock=scope.shared.clock,
    ).handle


class SseKeepAlive:
    """Sends comments while an upstream is silent, and an error event if a stream breaks.

    It gives another reply around the same body, see decision 0010.
    """

    __slots__ = ("_heartbeat", "_inner", "_words")

    def __init__(
        self,
        inner: Handler,
        *,
        heartbeat: float,
        sends_error_event: bool,
        error_event: ErrorEvent,
        clock: Clock,
    ) -> None:
        """``heartbeat`` in seconds, zero for none.

        ``sends_error_event``: a broken stream ends with an event, which ``error_event`` makes.
        """
        self._inner = inner
        self._heartbeat = heartbeat
        self._words = Words(heartbeat or None, sends_error_event, error_event, clock)

    async def handle(self, exchange: Exchange) -> Reply:
        """As the rest of the chain, unless the heartbeat comes before it has an answer."""
        if (
            not self._heartbeat
            or exchange.method == "HEAD"
            or exchange.upgrade  # its client waits for 101, which cannot follow 200
            or exchange.login  # and this one for 401, or for a token in the head of the API's 200
            or not prefers_events(exchange.headers)
            or _origin_wants_head(exchange)
        ):
            return self._with_keepalive(exchange, await self._inner(exchange))
        # A stream that is opened early has no Content-Encoding, so the upstream must not use one.
        exchange.headers = without_coding(exchange.headers)
        task = asyncio.ensure_future(self._inner(exchange))
        try:
            await asyncio.wait((task,), timeout=self._heartbeat)
            if not task.done():
                # A client that waits for 100 (Continue) must have it now: it cannot follow 200.
                exchange.body.proceed()
        except BaseException:
            abandon(task)
            raise
        if task.done():
            return self._with_keepalive(exchange, task.result())
        opened = EarlyBody(self._words, exchange, task)
        reply = Reply(_OK, _OPENED, opened, reason=b"OK")
        if exchange.takes_trailers:
            reply.trailers = opened.trailers
        return reply

    def _with_keepalive(self, exchange: Exchange, reply: Reply) -> Reply:
        if (
            reply.buffered is not None
            or reply.length is not None
            or reply.upgraded is not None
            or exchange.method == "HEAD"
            or reply.status == _PART
            or not streams_events(reply.headers)
        ):
            return reply
        source = KeepAliveBody(self._words, exchange, reply)
        return reply.with_body(source, None)


def without_coding(fields: RawHeaders) -> RawHeaders:
    """The fields of a request, asking for a body without a coding (RFC 9110 12.5.3)."""
    has_field = has(fields, b"accept-encoding")
    return replaced(fields, b"accept-encoding", b"identity") if has_field else fields


def _origin_wants_head(exchange: Exchange) -> bool:
    """Whether only the head of the API's reply can say that the page may read it."""
    if exchange.error_fields:  # ``[cors]`` says it
        return False
    return of_other_origin(exchange.headers, exchange.scheme, exchange.host)
