"""From a reply to the client: the only loop over chunks, and the commit point."""

import asyncio
from typing import Final

from proxy.core.errors import ProxyError, ReplyBroken, ReplyStalled, forget_frames
from proxy.core.exchange import Exchange
from proxy.core.reply import Ending, Reply
from proxy.edge.http1.connection import Connection
from proxy.edge.responses import failure, locate, report
from proxy.http.date import http_date
from proxy.http.fields import Encoded, encode, without
from proxy.http.framing import (
    CHUNK,
    CHUNKED_LINE,
    LAST_CHUNK,
    LENGTH_LINE,
    chunked_body,
    has_no_body,
)
from proxy.http.sse import of_events
from proxy.http.trailers import last_chunk
from proxy.http.upstream_request_id import AN_ID, UPSTREAM_ID, upstream_id

_REQUEST_ID: Final = b"x-request-id"


class Relay:
    """Writes replies to clients."""

    __slots__ = ("_last", "_server_timing", "_via")

    def __init__(self, pseudonym: str, *, server_timing: bool) -> None:
        """``pseudonym``: how this instance calls itself in Via."""
        self._via = {
            version: b"Via: %d.%d %b\r\n" % (*version, pseudonym.encode())
            for version in ((1, 0), (1, 1))
        }
        self._server_timing = server_timing
        self._last: Encoded | None = None
        """Fields that have a Date, and come again while an API repeats itself."""

    async def send(
        self, exchange: Exchange, reply: Reply, connection: Connection, *, keep_alive: bool
    ) -> bool:
        """Commit, then pass on chunk by chunk. Says whether the connection takes another request.

        The one place where a reply that came this far is closed, whatever happens.
        """
        bodiless = has_no_body(exchange.method, reply.status)
        chunked = until_close = False
        if reply.length is None and not bodiless:
            chunked = exchange.version >= (1, 1)
            until_close = not chunked
        keep_alive = keep_alive and not until_close
        ending = Ending.ABANDONED
        try:
            framing = _framing(exchange, reply, keep_alive=keep_alive, chunked=chunked)
            head = self._head(exchange, reply, framing)
            exchange.status = reply.status
            whole = reply.buffered
            exchange.committed = True
            if whole is not None:
                if bodiless:
                    whole = b""
                exchange.bytes_out = len(whole)
                connection.put(head + (chunked_body(whole, _end(reply)) if chunked else whole))
                if connection.writing_paused:
                    await _drained(exchange, connection)
            else:
                connection.put(head)
                if reply.length is None:
                    exchange.endless = of_events(reply.headers)
                if exchange.deadline is None:
                    await self._stream(exchange, reply, connection, chunked=chunked)
                else:
                    await self._stream_until(
                        exchange.deadline, exchange, reply, connection, chunked
                    )
            ending = Ending.COMPLETE
        except ProxyError as error:
            # Anything but ReplyBroken: the rest of the request failed while its reply was coming.
            ending = Ending.BROKEN if isinstance(error, ReplyBroken) else Ending.ABANDONED
            exchange.error = failure(error)[1]
            locate(error, exchange.route)
            report(exchange, error)
            connection.cut(reset=until_close)
            keep_alive = False
            forget_frames(error)
        finally:
            reply.close(ending)
        return keep_alive

    async def _stream(
        self, exchange: Exchange, reply: Reply, connection: Connection, *, chunked: bool
    ) -> None:
        while chunk := await reply.read():
            connection.put(CHUNK % (len(chunk), chunk) if chunked else chunk)
            exchange.bytes_out += len(chunk)
            if connection.writing_paused:
                reply.pause(paused=True)  # one read is enough to hold for each stalled client
                await _drained(exchange, connection)
                reply.pause(paused=False)
        if chunked:
            connection.put(_end(reply))

    async def _stream_until(
        self,
        deadline: float,
        exchange: Exchange,
        reply: Reply,
        connection: Connection,
        chunked: bool,
    ) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self._stream(exchange, reply, connection, chunked=chunked)
        except TimeoutError:
            raise ReplyStalled("the time for the whole exchange was over") from None

    def switching(self, exchange: Exchange, reply: Reply, protocol: bytes) -> bytes:
        """The head of a 101 (RFC 9110 7.8)."""
        framing = b"Connection: Upgrade\r\nUpgrade: %b\r\n" % protocol
        return self._head(exchange, reply, framing)

    def _head(self, exchange: Exchange, reply: Reply, framing: bytes) -> bytes:
        """Everything as it came, less the hop before us, plus what says that we were here."""
        if self._server_timing:
            framing += server_timing(exchange)
        return b"HTTP/1.1 %d %b\r\n%b%bX-Request-Id: %b\r\n%b\r\n" % (
            reply.status,
            reply.reason,
            self._dated(exchange, reply),
            self._via[reply.version],
            exchange.request_id.encode(),
            framing,
        )

    def _dated(self, exchange: Exchange, reply: Reply) -> bytes:
        """The lines of its fields with a Date among them (RFC 9110 6.6.1)."""
        known = reply.encoded
        if known is not None and known is self._last and known.fields is reply.headers:
            return known.lines
        lines = _lines(reply)
        if AN_ID in lines:
            lines = _identified(exchange, reply, lines)
            known = None  # it is another one's
        if b"\ndate:" not in b"\n" + lines.lower():
            return b"%bDate: %b\r\n" % (lines, http_date())
        self._last = known
        return lines


async def _drained(exchange: Exchange, connection: Connection) -> None:
    """Wait for the client to take what was written; the exchange knows how long that takes."""
    loop = asyncio.get_running_loop()
    known = exchange.stalled
    taking = exchange.stalled = known if isinstance(known, _Taking) else _Taking()
    began = taking.since = loop.time()
    try:
        await connection.drained()
    finally:
        taking.since = None
        taking.seconds += loop.time() - began


class _Taking:
    """How long a client has been waited for to take its reply."""

    __slots__ = ("seconds", "since")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.since: float | None = None

    def __call__(self, now: float) -> float:
        return self.seconds + (0.0 if self.since is None else now - self.since)


def _lines(reply: Reply) -> bytes:
    """Its fields but for request ids: there is one id, that which the log and the upstream know."""
    known = reply.encoded
    if known is not None and known.fields is reply.headers:
        return known.lines  # without one, see end_to_end_response
    return encode(without(reply.headers, _REQUEST_ID), None)


def _identified(exchange: Exchange, reply: Reply, lines: bytes) -> bytes:
    """Note what the upstream calls the request; what only repeats our name for it is left out."""
    ours = exchange.request_id.encode()
    exchange.record.upstream_request_id = upstream_id(reply.headers, ours)
    if (UPSTREAM_ID, ours) not in reply.headers:
        return lines
    kept = [field for field in reply.headers if field != (UPSTREAM_ID, ours)]
    return encode(without(kept, _REQUEST_ID), None)


def _framing(exchange: Exchange, reply: Reply, *, keep_alive: bool, chunked: bool) -> bytes:
    """The fields that say where the body ends and what becomes of the connection."""
    if chunked:
        framing = CHUNKED_LINE
    elif reply.length is not None and reply.status != 204:  # RFC 9110 8.6
        framing = LENGTH_LINE % reply.length
    else:
        framing = b""
    if not keep_alive:
        framing += b"Connection: close\r\n"
    elif exchange.version < (1, 1):
        framing += b"Connection: keep-alive\r\n"
    return framing


def _end(reply: Reply) -> bytes:
    """What ends a chunked body; with trailers where this client takes them."""
    return LAST_CHUNK if reply.trailers is None else last_chunk(reply.trailers())


def server_timing(exchange: Exchange) -> bytes:
    """Where the time went until the head (W3C Server Timing; milliseconds)."""
    record, started = exchange.record, exchange.started_at
    connect = (record.connect_s or 0.0) * 1000
    first_byte = ((record.first_byte_at or started) - started) * 1000
    return (
        b"Server-Timing: queue;dur=%.1f, connect;dur=%.1f, upstream;dur=%.1f, attempts;desc=%d\r\n"
        % (
            record.queue_s * 1000,
            connect,
            first_byte,
            record.attempt_count,
        )
    )
