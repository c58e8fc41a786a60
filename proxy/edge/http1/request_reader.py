"""What a client sends, cut into requests: one at a time, whatever it sends ahead.

How it works. `Connection` gives every byte to ``feed``, and asks ``next`` for a request when none
is waiting or being served. So the bytes behind a request, which are kept in ``held``, are looked at
only after its reply.

States of a `RequestReader`, and what may follow:

- between messages: ``_body`` is None. Bytes are kept in ``held``. ``next`` skips empty lines, then
  looks for the end of a head. Next: in a body, if the head announces one; between messages, if not;
  over, if the head is malformed or too long.
- in a body: bytes go to the request's stream. It ends after ``_left`` bytes, or where ``_chunks``
  finds the end of a chunked body; bytes behind that are kept in ``held``. Next: between messages;
  over, if the chunked framing is malformed, which the reader of the body then gets as an error.
- over: nothing that comes is kept, and there is no further request. The connection has been lost
  (``close``) or now speaks another protocol (``early``), or it was refused. A head that can be read
  but must be refused (``head.fault``) is still given out as a request, for a reply of its own.

The framing comes from the head alone: a length of 0 is no body, another number is that many bytes,
CHUNKED is chunks. ``request_head`` refuses all heads that two readers could take for two different
framings; nothing is repaired. Reading pauses while ``held`` is full (AHEAD) and a request is
being served.
"""

import asyncio
import re
from typing import Final

from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from proxy.core.errors import BadRequest, HeadTooLarge, ProxyError
from proxy.edge.http1.request_head import HeadLimits, RequestHead, read_head
from proxy.http.chunked import Chunked
from proxy.http.fields import Fields
from proxy.http.framing import CHUNKED, HEAD_END
from proxy.http.grammar import Malformed, TooLarge

UNLIMITED: Final = 1 << 30
"""Where ``max_header_size`` is off."""

AHEAD: Final = 64 << 10
"""Bytes behind a request that are read while it is being served; more wait in the kernel."""
READ_BUFFER: Final = 32 << 10
"""Low-water mark of a request's buffer; twice that stops the client."""

_EMPTY_LINES: Final = re.compile(rb"(?>(?:\r\n)+)")
"""RFC 9112 2.2: lines with nothing in them before a request are ignored."""


class RequestStream(StreamReader):
    """The body of a request that is coming."""

    __slots__ = ("trailers",)
    trailers: Fields
    """Fields behind a chunked body, once it has ended."""


class ReadRequest(web.BaseRequest):
    """A request whose head has come.

    Of what ``BaseRequest`` knows it has what the edge asks for: connection, body and fields.
    """

    begun_at: float | None = None
    """When the first part of its head came; None where that came in one piece."""

    def __init__(self, connection: BaseProtocol, head: RequestHead, content: StreamReader) -> None:
        self._protocol = connection  # type: ignore[assignment]
        self._cache = {"content": content, "raw_headers": head.fields}
        self.head = head


class RequestReader:
    """Reads the requests of one connection.

    Nothing behind a request is looked at before its reply is out: it is kept, and when there is
    much of it nothing more is read.
    """

    __slots__ = (
        "_body",
        "_chunks",
        "_connection",
        "_left",
        "_limit",
        "_limits",
        "_loop",
        "_over",
        "held",
    )  # fmt: skip

    def __init__(
        self, connection: BaseProtocol, loop: asyncio.AbstractEventLoop, limit: int
    ) -> None:
        """``limit``: bytes of a head, and of a trailer section."""
        self._connection: BaseProtocol | None = connection
        self._loop = loop
        self._limit = limit
        self.held = bytearray()
        """What came of requests that have not had their turn."""
        self._limits = HeadLimits(limit)
        self._body: RequestStream | None = None
        self._chunks: Chunked | None = None
        self._left = 0
        self._over = False

    @property
    def begun(self) -> bool:
        """Whether part of another request has come; half an empty line is none."""
        return bool(self.held) and self.held != b"\r"

    @property
    def midway(self) -> bool:
        """Whether the body of a request is still coming."""
        return self._body is not None

    @property
    def plain(self) -> int:
        """Bytes of the body that are still to come as they are; 0 where they are chunked."""
        return 0 if self._body is None or self._chunks is not None else self._left

    def passed(self, size: int) -> None:
        """So many of them have gone past this (``net/splice``)."""
        if (body := self._body) is None:  # the connection is gone
            return
        self._left -= size
        if not self._left:
            self._body = None
            body.feed_eof()

    @property
    def between(self) -> bool:
        """Whether the request has come to its end, and another one may be looked for behind it."""
        return self._body is None and not self._over

    @property
    def full(self) -> bool:
        """Whether so much has come ahead that no more is to be read."""
        return len(self.held) >= AHEAD

    def close(self) -> None:
        """The connection is gone."""
        self._connection = None
        self._stop()

    def early(self) -> bytes:
        """What follows the request; handed over to whoever speaks another protocol from now on."""
        early = bytes(self.held)
        self.held.clear()
        self._over = True
        return early

    def feed(self, data: bytes) -> None:
        """The next bytes of the connection."""
        if (body := self._body) is not None:
            data = self._feed_body(body, data)
        if data and not self._over:
            self.held += data

    def next(self) -> ReadRequest | None:
        """The next request, as soon as its head is whole.

        Raises ProxyError where there can be none, and nothing is read any more.
        """
        assert self._connection is not None
        held = self.held
        if held[:1] == b"\r" and (empty := _EMPTY_LINES.match(held)):
            del held[: empty.end()]
        if not self.begun:
            return None
        limits = self._limits
        end = held.find(HEAD_END, max(0, limits.seen - 3)) + 4
        try:
            if end < len(HEAD_END):
                limits.look(held)
                return None
            limits.whole(end, held)
            head = read_head(bytes(held[:end]))
        except ProxyError:
            self._stop()
            raise
        del held[:end]
        limits.clear()
        return ReadRequest(self._connection, head, self._content(head))

    def _content(self, head: RequestHead) -> StreamReader:
        if head.fault is not None:
            self._stop()
            return EMPTY_PAYLOAD
        if head.length == 0:
            return EMPTY_PAYLOAD
        assert self._connection is not None
        body = RequestStream(self._connection, READ_BUFFER, loop=self._loop)
        body.trailers = []
        self._body = body
        self._left = max(head.length, 0)
        self._chunks = Chunked(self._limit) if head.length == CHUNKED else None
        if held := self.held:
            data = bytes(held)
            held.clear()
            self.feed(data)
        return body

    def _feed_body(self, body: RequestStream, data: bytes) -> bytes:
        """What follows the end of the body."""
        rest: bytes | None
        if self._chunks is not None:
            try:
                data, rest = self._chunks.feed(data)
            except Malformed as error:
                self._stop()
                body.set_exception(_failure(error))
                return b""
            if rest is not None:
                body.trailers = self._chunks.trailers
                self._chunks = None
        else:
            data, rest = data[: self._left], data[self._left :]
            self._left -= len(data)
            if self._left:
                rest = None
        if data:
            body.feed_data(data)
        if rest is None:
            return b""
        self._body = None
        body.feed_eof()
        return rest

    def fail(self, error: Exception) -> None:
        """Nobody takes the rest of the body; it is read to no end, and no request follows it."""
        if self._body is not None:
            self._body.set_exception(error)

    def _stop(self) -> None:
        """What comes now is no request, nor part of one."""
        self._over = True
        self._body = self._chunks = None
        self.held.clear()


def _failure(error: Malformed) -> ProxyError:
    return HeadTooLarge(str(error)) if isinstance(error, TooLarge) else BadRequest(str(error))
