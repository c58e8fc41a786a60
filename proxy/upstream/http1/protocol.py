"""HTTP/1.1 on the connections of aiohttp's connector: what comes, taken apart.

How it works. A connection serves one attempt at a time. States, and what may follow:

- parked: idle in the pool. A byte from the upstream closes the connection. Next: awaiting the head
  (``begin``, at the start of an attempt), or lost.
- awaiting the head: the first segment goes to `FastHeadParser`. If it holds a usual head and the
  whole body, all is read at once. If not, `ReplyHeadParser` reads the same bytes, and what follows
  them, strictly. Informational heads are passed on, and the final head is awaited further. Next:
  body, after the final head; upgraded, after a 101; refused, if a head is malformed or too large.
- body, framed by the final head in one of five ways: none; ``buffered``, where it came whole with
  its head; ``_remaining`` bytes; ``_chunks``; or, with neither, up to the end of the connection.
  The last three go through a stream, ``_payload``. Next: complete, refused, or lost.
- complete: the body has ended as its framing says. Bytes behind it do not change the reply; they
  keep the connection from being parked (``force_close``), as trailers of a request do. Next:
  parked, or closed, by whoever closes the reply (`ReplyBody`).
- upgraded: bytes go on as they come, without framing.
- refused: the connection is aborted. Whoever waits for the head or reads the body gets the error.

If the connection is lost (``connection_lost``): before the head, whoever waits for it gets the
error. A body up to the end of the connection is complete after a clean end, which over TLS is one
by close_notify, and broken after any other. Any other body that is not complete is broken.

Decision 0036 lists what is used of aiohttp beyond its documented API, and which tests hold it. Why
not ``session.request``: decision 0001.
"""

import asyncio
import ssl
from collections.abc import Set as AbstractSet
from typing import Final

from aiohttp import ClientPayloadError
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from proxy.core.errors import ProtocolViolation, ReplyBroken, ReplyHeadTooLarge
from proxy.http.chunked import LAST_CHUNK, Chunked
from proxy.http.fields import RawHeaders
from proxy.http.framing import CHUNKED, UNTIL_CLOSE
from proxy.http.grammar import Malformed
from proxy.http.trailers import last_chunk
from proxy.http.upgrade import SWITCHING
from proxy.net.lost_hosts import LostHosts
from proxy.upstream.http1.fast_reply_head import HEAD_LIMIT, FastHeadParser
from proxy.upstream.http1.reply_head import ReplyHead, ReplyHeadParser
from proxy.upstream.http1.transport import UpstreamTransport

READ_BUFFER: Final = 32 << 10
"""Low-water mark of a reply's buffer; twice that stops the upstream."""

_SMALL: Final = 1024
"""Bytes of a segment that looks like one of several small writes."""
_FINAL: Final = 200


class UpstreamProtocol(UpstreamTransport):
    """One connection to an upstream, which may serve many attempts one after the other.

    Of aiohttp's it keeps the connection, the queue of heads, the streams of bodies and their
    backpressure. What comes is read by ours, strictly (decision 0020): bytes on an idle pooled
    connection close it, junk behind a whole reply does not take it away, an error in a later
    segment reaches the body's reader, and a body that only the end of the connection delimits is
    broken by a reset.
    """

    # As UpstreamTransport has them, for the same reason.
    __slots__ = (
        "_bodiless",
        "_chunks",
        "_fast_parser",
        "_head_parser",
        "_head_seen",
        "_remaining",
        "awaiting_head",
        "buffered",
        "trailers",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, lost_hosts: LostHosts | None = None
    ) -> None:
        super().__init__(loop, lost_hosts)
        self.buffered: bytes | None = None
        """The body of a reply that came in one piece with its head."""
        self.awaiting_head = False
        """Whether the final head of the reply is still to come."""
        self.trailers: RawHeaders = ()
        """The fields behind a chunked body that has ended."""
        self._fast_parser: FastHeadParser | None = None
        self._head_parser: ReplyHeadParser | None = None
        self._chunks: Chunked | None = None
        self._bodiless, self._head_seen = False, 0
        self._remaining = UNTIL_CLOSE
        """Bytes of the body that are to come, or what else ends it, see ``http/framing``."""

    def begin(self, *, bodiless: bool, fast_parser: FastHeadParser | None = None) -> None:
        """Get ready for one reply; ``bodiless`` where the request was a HEAD.

        ``fast_parser`` reads the heads that leave no doubt.
        """
        self.any_reply_byte = self.unacknowledged = False
        self.buffered = self._head_parser = None
        self.awaiting_head = True
        self._fast_parser = None if bodiless else fast_parser
        self._bodiless = bodiless
        self._remaining = UNTIL_CLOSE
        self._head_seen, self._chunks, self.trailers = 0, None, ()

    def last_chunk(self, trailers: RawHeaders, but: AbstractSet[bytes]) -> bytes:
        """The end of a chunked request, see ``http/trailers``.

        Behind trailers nothing else is sent here: some servers take them for fields of the request
        that comes next (aiohttp), or for its start (cheroot), and that may be another client's.
        """
        end = last_chunk(trailers, but)
        if end != LAST_CHUNK:
            self.force_close()
        return end

    # What aiohttp calls

    def connection_lost(self, exc: BaseException | None) -> None:
        """End a body that only the end of the connection delimits, break one that has more to come.

        A reset breaks the former too, and so does a bare FIN behind TLS (RFC 9112 9.8).
        """
        if not hasattr(self, "timer"):  # it never stood: the TLS handshake failed
            return
        self.let_go()
        self._on_due = None  # it may hold who holds this
        if exc is not None and not self._parked and self.exception() is None:
            for data in self.unread_in_kernel(exc):
                self.data_received(data)
        payload = self._payload
        if payload is not None and not payload.is_eof() and payload.exception() is None:
            cut = exc is not None or (self.encrypted and not self.ended_by_tls)
            if self._remaining == UNTIL_CLOSE and not cut:
                payload.feed_eof()
            else:
                payload.set_exception(exc or ClientPayloadError("the connection ended too early"))
        if isinstance(exc, ssl.SSLError):  # aiohttp would make it an OSError without its reason
            self.set_exception(exc)
        super().connection_lost(exc)
        if (on_lost := self.on_lost) is not None:
            self.on_lost = None  # who is told holds this
            on_lost()

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        """Tell the reader of the body too: aiohttp leaves it waiting for ever."""
        payload = self._payload
        if payload is not None and not payload.is_eof() and payload.exception() is None:
            payload.set_exception(exc)
        if self._exception is not None:  # what ended it says more than that it has ended
            return
        if exc_cause is None:
            super().set_exception(exc)
        else:
            super().set_exception(exc, exc_cause)

    def forget_unread(self) -> None:
        """Let go of a head that came just as its reader left: its body holds this."""
        self._buffer.clear()

    def pause_reading(self) -> None:
        """Hold the upstream back: there is no parser of aiohttp's to be held too."""
        self._reading_paused = True
        self._pause_transport_reading()

    def data_received(self, data: bytes) -> None:
        """Read heads apart from bodies, and no byte beyond a body."""
        if not data:
            return
        if self._parked:
            self.abort()
            return
        self.any_reply_byte = True
        if self.awaiting_head:
            parser, self._fast_parser = self._fast_parser, None
            if parser is not None and (head := parser.parse(data)) is not None:
                self.awaiting_head = False
                self.usable = head.usable
                self._take_whole(data[head.size :], head.length)
                self.feed_data((head, EMPTY_PAYLOAD))  # type: ignore[arg-type]  # a head of ours
                return
            while data and self.awaiting_head:
                data = self._head_received(data)
        if data:
            self._body_received(data)

    def _take_whole(self, data: bytes, left: int) -> None:
        """A body that came with its head needs no stream."""
        self.buffered = data[:left]
        if len(data) != left:
            self.force_close()
        self._remaining = 0
        self._payload = None

    def _head_received(self, data: bytes) -> bytes:
        """Read up to the end of one head; what follows it is returned."""
        head_parser = self._head_parser
        if head_parser is None:
            head_parser = self._head_parser = ReplyHeadParser(bodiless=self._bodiless)
        try:
            response, end = head_parser.feed(data)
        except Malformed as error:
            self._refuse(ProtocolViolation(str(error)))
            return b""
        self._head_seen += end
        if self._head_seen > HEAD_LIMIT:
            self._refuse(ReplyHeadTooLarge(f"is larger than {HEAD_LIMIT} bytes"))
            return b""
        if response is None:
            self.acknowledge()
            return b""
        data = data[end:]
        if response.code >= _FINAL:
            self.awaiting_head = False
            return self._begin_body(response, data)
        if response.closes:  # of the connection, not of the reply that is still to come
            self.force_close()
        if response.code == SWITCHING:
            self.awaiting_head = False
            self._upgraded = True
        self.feed_data((response, EMPTY_PAYLOAD))  # type: ignore[arg-type]  # a head of ours
        return data

    def _begin_body(self, response: ReplyHead, data: bytes) -> bytes:
        """What of ``data`` the body's stream is to have."""
        left = self._remaining = response.length
        self.usable = response.usable
        if response.closes:
            self.force_close()
        if 0 <= left <= len(data):
            self._take_whole(data, left)
            self.feed_data((response, EMPTY_PAYLOAD))  # type: ignore[arg-type]  # a head of ours
            return b""
        self._chunks = Chunked(HEAD_LIMIT, padded=True) if left == CHUNKED else None
        self._payload = StreamReader(self, READ_BUFFER, loop=self._loop)
        self.feed_data((response, self._payload))  # type: ignore[arg-type]  # a head of ours
        if not data:
            self.acknowledge()
        return data

    @property
    def plain(self) -> int:
        """Bytes of the body that are still to come as they are; 0 where they are framed."""
        if self._payload is None or self._chunks is not None or self._upgraded:
            return 0
        return self._remaining or 0

    def passed(self, size: int) -> None:
        """So many of them have gone past this (``net/splice``)."""
        self._remaining = left = self.plain - size
        if not left and self._payload is not None:
            self._payload.feed_eof()

    def _refuse(self, error: Exception) -> None:
        self.fail(error)
        if self.transport is not None:
            self.transport.abort()

    def _body_received(self, data: bytes) -> None:
        payload, left = self._payload, self._remaining
        if self._upgraded:
            super().data_received(data)
        elif payload is None or payload.is_eof():
            self.force_close()  # bytes that no reply owns
        elif self._chunks is not None:
            self._chunks_received(self._chunks, payload, data)
        elif left == UNTIL_CLOSE:
            payload.feed_data(data)
        else:
            if len(data) > left:
                data = data[:left]
                self.force_close()
            self._remaining = left - len(data)
            payload.feed_data(data)
            if not self._remaining:
                payload.feed_eof()
            elif len(data) < _SMALL:
                self.acknowledge()

    def _chunks_received(self, chunks: Chunked, payload: StreamReader, data: bytes) -> None:
        try:
            piece, rest = chunks.feed(data)
        except Malformed as error:
            self.force_close()
            payload.feed_data(chunks.before)
            payload.set_exception(ReplyBroken(f"the reply is not valid HTTP: {error}"))
            if self.transport is not None:
                self.transport.abort()
            return
        payload.feed_data(piece)
        if rest is not None:
            self.trailers = chunks.trailers
            if rest:
                self.force_close()
            payload.feed_eof()
        elif len(data) < _SMALL and chunks.within:
            self.acknowledge()
