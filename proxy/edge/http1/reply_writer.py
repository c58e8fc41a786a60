"""Replies in HTTP/1.1: how a client's connection fills ``edge/client_stream``.

A connection serves one request after the other, so it is the stream of each of them in turn.
"""

from typing import Any

from aiohttp import web

from proxy.core.clock import monotonic
from proxy.core.errors import ConnectionLimit, ProxyError
from proxy.core.exchange import Exchange
from proxy.core.reply import Sink
from proxy.edge.client_stream import Passing
from proxy.edge.connections import ConnectionTracker
from proxy.edge.http1.encode import CLOSE, KEEP_ALIVE, informational_head, reply_head, upgrade_lines
from proxy.edge.http1.request_reader import UNLIMITED, RequestReader
from proxy.edge.http1.spliced_body import SplicedBody, spliced
from proxy.edge.http1.transport import ClientTransport
from proxy.edge.options import ServerOptions
from proxy.edge.responses import (
    ErrorsOptions,
    charge,
    error_response,
    log_error,
    note_failure,
)
from proxy.http.chunked import CHUNK, LAST_CHUNK, chunked_body
from proxy.http.fields import Encoded, RawHeaders
from proxy.http.framing import CHUNKED_LINE, LENGTH_LINE, has_no_body
from proxy.http.request_id import ensure_ids
from proxy.http.trailers import last_chunk
from proxy.http.upgrade import SWITCHING


class ReplyWriter(ClientTransport):
    """Frames replies, and knows whether another request may follow."""

    __slots__ = (
        "_bodiless",
        "_chunked",
        "_reader",
        "_until_close",
        "errors",
        "exchange",
        "persists",
        "reusable",
    )

    def __init__(
        self, server: web.Server, options: ServerOptions, tracker: ConnectionTracker, **kwargs: Any
    ) -> None:
        super().__init__(server, options, tracker, **kwargs)
        limit = options.max_header_size or UNLIMITED
        self._reader = RequestReader(self, self._loop, limit)
        self._bodiless = self._chunked = self._until_close = False
        self.exchange: Exchange
        """The request that is being served."""
        self.errors: ErrorsOptions | None = None
        """How our answers look on its route."""
        self.reusable = True
        """Whether its client takes another reply on this connection."""
        self.persists = True
        """Whether the reply said that another request may follow."""

    def splice_body(self, sink: Sink, body: Passing) -> SplicedBody | None:
        """What is still to come of the request, where it is long and not encrypted."""
        return spliced(self, self._reader, sink, body)

    def informational(self, status: int, reason: bytes, fields: RawHeaders) -> None:
        """Say something before the answer; a client of HTTP/1.0 knows no such thing."""
        exchange = self.exchange
        if exchange.version >= (1, 1) and not exchange.committed:
            self.put(informational_head(status, reason, fields))

    def respond(
        self,
        status: int,
        reason: bytes,
        fields: RawHeaders,
        own: RawHeaders,
        body: bytes,
        *,
        encoded: Encoded | None = None,
        length: int | None,
        trailers: RawHeaders = (),
        last: bool = False,
    ) -> int:
        """Send a whole reply, in one write."""
        framing = self._framing(status, length, last=last)
        if self._chunked:
            data = chunked_body(body, last_chunk(trailers) if trailers else LAST_CHUNK)
        else:
            data = body = b"" if self._bodiless else body
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("client gone")
        transport.write(reply_head(status, reason, fields, own, encoded, framing=framing) + data)
        return len(body)

    def head(
        self,
        status: int,
        reason: bytes,
        fields: RawHeaders,
        own: RawHeaders,
        *,
        encoded: Encoded | None = None,
        length: int | None,
        last: bool = False,
    ) -> None:
        """Send the head of a reply whose body follows."""
        framing = self._framing(status, length, last=last)
        self.put(reply_head(status, reason, fields, own, encoded, framing=framing))

    def switch(
        self,
        protocol: bytes,
        reason: bytes,
        fields: RawHeaders,
        own: RawHeaders,
        *,
        encoded: Encoded | None = None,
    ) -> None:
        """Send the head of a 101."""
        self.persists = False
        lines = upgrade_lines(protocol)
        self.put(reply_head(SWITCHING, reason, fields, own, encoded, framing=lines))

    def data(self, chunk: bytes) -> None:
        """Send the next bytes of the body, as a chunk where that is how it is framed."""
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("client gone")
        transport.write(CHUNK % (len(chunk), chunk) if self._chunked else chunk)

    def descriptor(self) -> int:
        """Where what follows of the body may be written as it is; -1 where it may not, for now."""
        transport = self.transport
        if transport is None or transport.is_closing() or transport.get_write_buffer_size():
            return -1
        return -1 if self._chunked or self.scheme == "https" else self._socket.fileno()

    def blocked(self, held: int) -> None:
        """Whoever writes to the descriptor has so many bytes that the client does not take."""
        if self.transport is not None:
            self._write_timer(self.transport).wait(held)

    def end(self) -> None:
        """The body is whole."""
        if self._chunked:
            self.put(LAST_CHUNK)

    def trailers(self, fields: RawHeaders) -> None:
        """The body is whole; only chunked bodies can have something behind them."""
        if self._chunked:
            self.put(last_chunk(fields))

    def reset(self, *, at_once: bool = False) -> None:
        """A short Content-Length or a missing last chunk tells the client that this is not all."""
        self.persists = False
        self.cut(reset=at_once or self._until_close)

    def _framing(self, status: int, length: int | None, *, last: bool) -> bytes:
        """The lines that say where the body ends and what becomes of the connection."""
        exchange, reader = self.exchange, self._reader
        # An early reply leaves the rest of the request unread (RFC 9112 9.3); and what has come
        # behind an offer to upgrade may be in the protocol that the client did not get.
        persists = self.reusable and not last and reader.between and not self._tracker.draining
        if exchange.upgrade and reader.held:
            persists = False
        framing = b""
        self._bodiless = has_no_body(exchange.method, status)
        self._chunked = self._until_close = False
        if length is not None:
            if status != 204:  # RFC 9110 8.6
                framing = LENGTH_LINE % length
        elif not self._bodiless:
            if exchange.version >= (1, 1):
                self._chunked = True
                framing = CHUNKED_LINE
            else:
                self._until_close = True
                persists = False
        self.persists = persists
        if not persists:
            framing += CLOSE
        elif exchange.version < (1, 1):
            framing += KEEP_ALIVE
        return framing

    def turn_away(self, error: ProxyError) -> None:
        """Refuse the connection: it has a descriptor until its client has read that."""
        self._tracker.refused.add(self)
        self.refuse(error)

    def refuse(self, error: ProxyError, *, begun_at: float | None = None) -> None:
        """Answer a request that never became one, and hang up.

        ``begun_at``: when the first part of its head came, where it came in several.
        """
        exchange = Exchange("", b"", (), client=self.peer, started_at=monotonic())
        if begun_at is not None:
            exchange.began(begun_at)
        exchange.request_id = ensure_ids(())[1]
        exchange.status = charge(exchange, error)
        if not self.gone:
            self.exchange = exchange
            status, reason, fields, body = error_response(
                error, self._errors, request_id=exchange.request_id
            )
            exchange.bytes_out = self.respond(
                status, reason, fields, (), body, length=len(body), last=True
            )
        self.hang_up()
        if isinstance(error, ConnectionLimit):  # one line for all of them, see edge/connections
            note_failure(exchange, error)
        else:
            log_error(exchange, error)
        self._tracker.record(exchange, monotonic())
