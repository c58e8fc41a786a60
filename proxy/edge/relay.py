"""From a reply to the client: the only loop over chunks, and the commit point."""

import asyncio
from typing import TypeAlias

from proxy.core.errors import ProxyError, ReplyBroken, forget_frames
from proxy.core.exchange import Exchange
from proxy.core.reply import AllSaid, Ending, Reply
from proxy.core.stopwatch import Stopwatch
from proxy.core.timeouts import time_over
from proxy.edge.client_stream import ClientStream
from proxy.edge.responses import charge, log_error, name_route
from proxy.http.date import http_date
from proxy.http.fields import RawHeaders, has, without
from proxy.http.request_id import REQUEST_ID, REQUEST_ID_LOWER
from proxy.http.sse import of_events
from proxy.http.upstream_request_id import AN_ID, UPSTREAM_ID, upstream_id
from proxy.net.splice import LEAST

Field: TypeAlias = tuple[bytes, bytes]


class Relay:
    """Writes replies to clients."""

    __slots__ = ("_server_timing", "_via")

    def __init__(self, pseudonym: str, *, server_timing: bool) -> None:
        """``pseudonym``: how this instance calls itself in Via."""
        self._via = {
            version: (b"Via", b"%d.%d %b" % (*version, pseudonym.encode()))
            for version in ((1, 0), (1, 1))
        }
        self._server_timing = server_timing

    async def send(self, exchange: Exchange, reply: Reply, stream: ClientStream) -> bool:
        """Commit, then pass on chunk by chunk. Says whether the client has the whole reply.

        The one place where a reply that came this far is closed, whatever happens.
        """
        ending = Ending.ABANDONED
        try:
            fields, own = self._fields(exchange, reply)
            exchange.status = status = reply.status
            whole = reply.buffered
            exchange.committed = True
            if whole is not None:
                exchange.bytes_out = stream.respond(
                    status,
                    reply.reason,
                    fields,
                    own,
                    whole,
                    encoded=reply.encoded,
                    length=reply.length,
                    trailers=() if reply.trailers is None else reply.trailers(),
                )
                if stream.writing_paused:
                    await _drained(exchange, stream)
            else:
                encoded, length = reply.encoded, reply.length
                exchange.length = length
                stream.head(status, reply.reason, fields, own, encoded=encoded, length=length)
                if length is None:
                    exchange.endless = of_events(reply.headers)
                if exchange.deadline is None:
                    await self._stream(exchange, reply, stream)
                else:
                    await self._stream_until(exchange.deadline, exchange, reply, stream)
            ending = Ending.COMPLETE
            return True
        except AllSaid as late:
            _note(exchange, late.error)
            stream.end()
            forget_frames(late)
            return True
        except asyncio.CancelledError:
            if exchange.ended_by is None or not _ended(exchange, reply, stream, exchange.ended_by):
                raise
            return False
        except ProxyError as error:
            # Anything but ReplyBroken: the rest of the request failed while its reply was coming.
            ending = Ending.BROKEN if isinstance(error, ReplyBroken) else Ending.ABANDONED
            if not exchange.error:  # else its reply stands in for a failure that is told already
                _note(exchange, error)
            stream.reset()
            forget_frames(error)
            return False
        finally:
            reply.close(ending)

    async def _stream(self, exchange: Exchange, reply: Reply, stream: ClientStream) -> None:
        length = exchange.length or 0
        while chunk := await reply.read():
            stream.data(chunk)
            exchange.bytes_out += len(chunk)
            if length - exchange.bytes_out >= LEAST and (socket := stream.descriptor()) >= 0:
                reply.splice(_ToClient(exchange, stream, socket))
            if stream.writing_paused:
                reply.pause(paused=True)  # one read is enough to hold for each stalled client
                await _drained(exchange, stream)
                reply.pause(paused=False)
            chunk = b""  # not kept while the upstream sends no more
        if reply.trailers is None:
            stream.end()
        else:
            stream.trailers(reply.trailers())

    async def _stream_until(
        self, deadline: float, exchange: Exchange, reply: Reply, stream: ClientStream
    ) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self._stream(exchange, reply, stream)
        except TimeoutError:
            raise time_over(exchange.record.bound) from None

    def switch(
        self, exchange: Exchange, reply: Reply, protocol: bytes, stream: ClientStream
    ) -> None:
        """Commit to another protocol."""
        fields, own = self._fields(exchange, reply)
        exchange.status = reply.status
        exchange.committed = True
        stream.switch(protocol, reply.reason, fields, own, encoded=reply.encoded)

    def _fields(self, exchange: Exchange, reply: Reply) -> tuple[RawHeaders, list[Field]]:
        """Everything as it came, less the hop before us; and what says that we were here."""
        fields, ours = reply.headers, exchange.request_id.encode()
        known = reply.encoded
        if known is not None and known.fields is fields and known.dated is not None:
            dated, ids = known.dated, known.ids
        else:
            if known is None or known.fields is not fields:
                # else it has none, see end_to_end_response
                fields = without(fields, REQUEST_ID_LOWER)
            ids = [field for field in fields if AN_ID in field[0]]
            dated = has(fields, b"date")
        if ids:
            fields = _named(exchange, fields, ids, ours)
        own = [self._via[reply.version], (REQUEST_ID, ours)]
        if not dated:
            own = [(b"Date", http_date()), *own]  # RFC 9110 6.6.1
        if self._server_timing:
            own.append((b"Server-Timing", server_timing(exchange)))
        return fields, own


def _note(exchange: Exchange, error: ProxyError) -> None:
    charge(exchange, error)
    name_route(error, exchange.route)
    log_error(exchange, error)


def _ended(exchange: Exchange, reply: Reply, stream: ClientStream, error: ProxyError) -> bool:
    """Have a stream that the proxy ends say why in its last event; whether that could be done.

    Nobody waits until a client that is behind takes it.
    """
    if stream.gone or stream.writing_paused:
        return False
    words = reply.last_words(error)
    if words is None:
        return False
    _note(exchange, error)
    if words:
        stream.data(words)
        exchange.bytes_out += len(words)
        stream.reset()
    else:
        stream.end()
    return True


async def _drained(exchange: Exchange, stream: ClientStream) -> None:
    """Wait for the client to take what was written; the exchange knows how long that takes."""
    loop = asyncio.get_running_loop()
    taking = _taking(exchange)
    exchange.relaying = asyncio.current_task(loop)
    taking.begin(loop.time())
    try:
        await stream.drained()
    finally:
        taking.end(loop.time())


def _taking(exchange: Exchange) -> Stopwatch:
    known = exchange.stalled
    taking = exchange.stalled = known if isinstance(known, Stopwatch) else Stopwatch()
    return taking


class _ToClient:
    """A client that the kernel moves the rest of a body to."""

    __slots__ = ("_exchange", "_loop", "_stream", "descriptor")

    def __init__(self, exchange: Exchange, stream: ClientStream, descriptor: int) -> None:
        self.descriptor = descriptor
        self._exchange = exchange
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        exchange.relaying = asyncio.current_task(self._loop)

    def moved(self, size: int) -> None:
        """The client's kernel, or ours, has so much more."""
        self._exchange.bytes_out += size

    def blocked(self, held: int) -> None:
        """The client is waited for; the exchange knows how long that takes."""
        self._stream.blocked(held)
        taking = self._exchange.stalled
        if held:
            _taking(self._exchange).begin(self._loop.time())
        elif isinstance(taking, Stopwatch):
            taking.end(self._loop.time())


def _named(exchange: Exchange, fields: RawHeaders, ids: RawHeaders, ours: bytes) -> RawHeaders:
    """Note what the upstream calls the request; what only repeats our name for it is left out.

    ``ids``: those of the fields that may name it.
    """
    exchange.record.upstream_request_id = upstream_id(ids, ours)
    if (UPSTREAM_ID, ours) not in ids:
        return fields
    kept = [field for field in fields if field != (UPSTREAM_ID, ours)]
    return without(kept, REQUEST_ID_LOWER)


def server_timing(exchange: Exchange) -> bytes:
    """Where the time went until the head (W3C Server Timing; milliseconds)."""
    record, started = exchange.record, exchange.asked_at
    connect = (record.connect_s or 0.0) * 1000
    first_byte = ((record.first_byte_at or started) - started) * 1000
    return b"queue;dur=%.1f, connect;dur=%.1f, upstream;dur=%.1f, attempts;desc=%d" % (
        record.queue_s * 1000,
        connect,
        first_byte,
        record.attempt_count,
    )
