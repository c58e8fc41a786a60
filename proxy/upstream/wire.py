"""HTTP/1.1 on the connections of aiohttp's connector.

What we use of aiohttp beyond its documented API stands here, in ``session.install``, ``Upgraded``
and ``stream.take_buffered``, and is held by ``tests/upstream/test_aiohttp_contract.py``.
Why not ``session.request``: decision 0001.
"""

import asyncio
import select
from collections.abc import Callable
from typing import Any, Final

from aiohttp.client_proto import ResponseHandler
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from proxy.core.alarm import Alarm
from proxy.core.errors import ReplyHeadTooLarge
from proxy.core.short_queue import ShortQueue
from proxy.core.sips import HIGH_WATER, STALLED
from proxy.core.sockets import unsent
from proxy.upstream.heads import HEAD_END, HEAD_LIMIT, HeadReader

READ_BUFFER: Final = 32 << 10
"""Low-water mark of a reply's buffer; twice that stops the upstream."""

_SPOKEN: Final = select.POLLIN | getattr(select, "POLLRDHUP", 0)
_NO_BODY: Final = frozenset({204, 304})


class UpstreamProtocol(ResponseHandler):
    """One connection to an upstream, which may serve many attempts one after the other.

    It differs from aiohttp's in five ways: small replies without surprises see no parser; bytes on
    an idle pooled connection close it (aiohttp would take them for the answer to the next request);
    a head is parsed apart from what follows, so that junk behind a whole reply cannot take it away;
    an error in a later segment reaches the body's reader; and a body that only the end of the
    connection delimits is broken by a reset.
    """

    # Slots keep aiohttp's own attributes below the thirty that instances may share their keys of,
    # which is 1 KiB a connection.
    __slots__ = (
        "_bodiless",
        "_head_seen",
        "_left",
        "_on_ring",
        "_parsing",
        "_poll",
        "_reader",
        "_resting",
        "_seam",
        "_sent",
        "_socket",
        "alarm",
        "awaiting_head",
        "lost",
        "replied",
        "unheard",
        "uses",
        "whole",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._buffer = ShortQueue()  # type: ignore[assignment]
        self.uses = 0
        self.replied = False
        """Whether one byte of a reply has come since the request was sent."""
        self.whole: bytes | None = None
        """The body of a reply that came in one piece with its head."""
        self.lost: Callable[[], None] | None = None
        """Called when the connection has ended."""
        self.alarm: Alarm  # from when the connection stands, which is told when it ends
        self._on_ring: Callable[[], Exception | None] | None = None
        self._resting = False
        self.awaiting_head = False
        """Whether the final head of the reply is still to come."""
        self._reader: HeadReader | None = None
        self._parsing = False
        self._poll: select.poll | None = None
        self._bodiless = False
        self._head_seen = 0
        self._seam = b""
        self._sent = 0
        self.unheard = False
        """Whether the peer hung up without having received one byte of the request."""
        self._left: int | None = None
        self._socket: Any = None

    # Taking and giving back

    def take(self) -> bool:
        """Rest no more. False where the peer has closed or spoken meanwhile: do not use it.

        The loop may not have seen yet what the kernel has, hence the look at the socket itself.
        """
        self._resting = False
        self.alarm.clear()
        self.uses += 1
        return self.uses == 1 or (self.is_connected() and not self._readable())

    def rest(self, keepalive: float) -> None:
        """Wait for the next request, ``keepalive`` seconds at most."""
        self._resting = True
        if keepalive:
            self.alarm.set(self._loop.time() + keepalive)

    @property
    def reused(self) -> bool:
        """Whether this is not the first request on the connection."""
        return self.uses > 1

    def begin(self, *, bodiless: bool, reader: HeadReader | None = None) -> None:
        """Get ready for one reply; ``bodiless`` where the request was a HEAD.

        ``reader`` reads the heads that need no parser.
        """
        self.replied = self.unheard = False
        self._sent = 0
        self.whole = None
        self.awaiting_head = True
        self._parsing = False
        self._reader = None if bodiless else reader
        self._bodiless = bodiless
        self._left = None
        self._head_seen = 0
        self._seam = b""

    def _parse(self) -> None:
        """Have aiohttp's parser read this reply."""
        self._parsing = True
        self.set_response_params(
            skip_payload=self._bodiless,
            read_until_eof=True,
            auto_decompress=False,
            read_bufsize=READ_BUFFER,
            max_line_size=HEAD_LIMIT,
            max_field_size=HEAD_LIMIT,
            max_headers=HEAD_LIMIT,
        )

    # Clocks

    def expect(self, seconds: float, on_ring: Callable[[], Exception | None] | None) -> None:
        """Ring in ``seconds``; ``on_ring`` then says what is wrong, or None to wait on."""
        if seconds:
            self._on_ring = on_ring
            self.alarm.set(self._loop.time() + seconds)

    def _rang(self) -> None:
        if self._resting:
            self.close()
        elif self._on_ring is not None and (error := self._on_ring()) is not None:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Let whoever waits for this connection have ``error``; it is not used again."""
        self.set_exception(error)

    # What aiohttp calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Have a clock, and know the socket, to look without reading."""
        super().connection_made(transport)
        self.alarm = Alarm(self._loop, self._rang)
        self._socket = transport.get_extra_info("socket")
        self.transport.set_write_buffer_limits(HIGH_WATER)  # type: ignore[union-attr]

    def connection_lost(self, exc: BaseException | None) -> None:
        """Break a body that only the end of the connection delimits where that end was a reset."""
        self.alarm.close()
        self._on_ring = None  # it may hold who holds this
        payload = self._payload
        if exc is not None and self._left is None and payload is not None and not payload.is_eof():
            payload.set_exception(exc)
        super().connection_lost(exc)
        if (lost := self.lost) is not None:
            self.lost = None  # who is told holds this
            lost()

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        """Tell the reader of the body too: aiohttp leaves it waiting for ever."""
        payload = self._payload
        if payload is not None and not payload.is_eof() and payload.exception() is None:
            payload.set_exception(exc)
        if exc_cause is None:
            super().set_exception(exc)
        else:
            super().set_exception(exc, exc_cause)

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Note how the body of a final head is delimited."""
        message, payload = data
        if message.code >= 200 or message.code == 101:
            self.awaiting_head = False
            if message.code == 101:
                self._left = None
            elif self._bodiless or message.code in _NO_BODY or payload is EMPTY_PAYLOAD:
                self._left = 0
            elif message.chunked:
                self._left = -1
            else:
                length = message.headers.get("Content-Length")
                self._left = None if length is None else int(length)
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        """Parse heads apart from bodies, and no byte beyond a body."""
        if not data:  # aiohttp resumes a parser that it had paused
            super().data_received(data)
            return
        if self._resting:
            self.abort()
            return
        self.replied = True
        if self.awaiting_head:
            reader, self._reader = self._reader, None
            if reader is not None and (head := reader.read(data)) is not None:
                self.awaiting_head = False
                self._take_whole(data[head.size :], head.length)
                super().feed_data((head, EMPTY_PAYLOAD))  # type: ignore[arg-type]
                return
            while data and self.awaiting_head:
                data = self._head_received(data)
            left = self._left
            if left and 0 < left <= len(data):
                self._take_whole(data, left)
                return
        if data:
            self._body_received(data)

    def _take_whole(self, data: bytes, left: int) -> None:
        """The parser has done its work: each reply gets a new one, and this body needs none."""
        self.whole = data[:left]
        if len(data) != left:
            self.force_close()
        self._left = 0
        self._payload = None

    def _head_received(self, data: bytes) -> bytes:
        """Feed up to the end of one head; what follows it is returned."""
        if not self._parsing:
            self._parse()
        seam = self._seam
        end = (seam + data).find(HEAD_END)
        cut = len(data) if end < 0 else end + 4 - len(seam)
        self._head_seen += cut
        if self._head_seen > HEAD_LIMIT:
            self.fail(ReplyHeadTooLarge(f"over {HEAD_LIMIT} bytes"))
            self.abort()
            return b""
        head = data[:cut]
        self._seam = (seam + head)[-3:] if end < 0 else b""
        super().data_received(head)
        return b"" if self.exception() is not None else data[cut:]

    def _body_received(self, data: bytes) -> None:
        left = self._left
        if left is None or not data:
            super().data_received(data)
        elif left >= 0:
            if len(data) > left:  # bytes that no reply owns
                data = data[:left]
                self.force_close()
            self._left = left - len(data)
            if data:
                super().data_received(data)
        else:
            payload = self._payload
            super().data_received(data)
            self._seam = (self._seam + data)[-4:]
            # The start of another head may follow the last chunk without being an error yet.
            if payload is not None and payload.is_eof() and self._seam != HEAD_END:
                self.force_close()

    def _readable(self) -> bool:
        """Whether the kernel holds bytes or an end that the loop has not told us of."""
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._socket.fileno(), _SPOKEN)
        return bool(self._poll.poll(0))

    def send(self, request: bytes) -> None:
        """Write a whole request, or its head."""
        self._sent = len(request)
        self.transport.write(request)  # type: ignore[union-attr]

    def eof_received(self) -> None:
        """A clean end acknowledges what the peer had until then; a reset would not tell."""
        self.unheard = not self.replied and 0 < self._sent <= self.unsent()
        super().eof_received()

    async def drained(self) -> None:
        """Wait until the transport takes more. Raises ConnectionError where it never will."""
        with STALLED:
            await self._drain_helper()

    def unsent(self) -> int:
        """Bytes that we wrote and the peer has not taken yet, in user space and in the kernel."""
        return unsent(self.transport, self._socket)
