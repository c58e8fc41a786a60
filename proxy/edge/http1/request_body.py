"""A request's body as it comes from the client.

``ClientBody`` alone knows what has come of a body. A byte is in one of two places: in aiohttp's
``StreamReader``, unread, or counted in ``received`` and kept, if it is kept at all, in the same
step of the loop. So these hold at every moment, whoever asks:

- ``resendable``: nothing was read, or all that was read is kept (``Spool.size == received``);
- ``complete``: that, and the end was read too;
- an attempt reads through a ``reader`` of its own, which begins at the first byte or not at all,
  and ends when the next attempt begins.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp.streams import StreamReader

from proxy.core.body import BytesBody
from proxy.core.errors import BadRequest, BodyTooLarge, ClientError, InternalError, forget_frames
from proxy.core.local_limits import local_limit
from proxy.core.reply import Sink
from proxy.edge.client_stream import ClientStream, Rest
from proxy.edge.http1.body_clock import BodyClock
from proxy.edge.http1.spool import Room, Spool
from proxy.edge.options import ServerOptions
from proxy.http.fields import RawHeaders
from proxy.http.framing import CHUNKED_LINE, LENGTH_LINE
from proxy.net.small_reads import CROWDED, IN_HAND, SmallReads, limit_read_ahead

WAIT_FOR_CONTINUE: Final = 1.0
"""Seconds that an upstream has to ask for a body. Many know no 100 (Continue) and wait for the body
instead, so a client must not wait without end (RFC 9110 10.1.1); curl gives up after a second too.
"""


class ClientBody:
    """Reads a body that is still coming, on the client's clocks, and keeps it where told to."""

    __slots__ = (
        "_asking",
        "_clock",
        "_content",
        "_go_ahead",
        "_kept",
        "_loop",
        "_max",
        "_over",
        "_reads",
        "_room",
        "_splice",
        "_stream",
        "attempt",
        "framing",
        "length",
        "received",
    )

    def __init__(
        self,
        content: StreamReader,
        length: int | None,
        options: ServerOptions,
        loop: asyncio.AbstractEventLoop,
        go_ahead: Callable[[], None] | None = None,
        *,
        room: Room | None = None,
        reads: SmallReads | None = None,
        stream: ClientStream | None = None,
    ) -> None:
        """``length`` in bytes, None for chunked; ``go_ahead`` tells a client that waits for it.

        ``room``: what this and others may keep; ``reads``: who reads it from the socket;
        ``stream``: the connection, where its bytes may go past this.
        """
        self._content = content
        self.length = length
        self.framing = CHUNKED_LINE if length is None else LENGTH_LINE % length
        self.received = 0
        self._over = False
        """Whether its end has been read."""
        self._loop = loop
        self._max = options.max_body or float("inf")
        self._go_ahead = go_ahead
        self._asking: asyncio.TimerHandle | None = None
        self._clock = BodyClock(loop, options, content.set_exception)
        self._kept: Spool | None = None
        self._room = room or Room()
        self._reads = reads
        self._stream = stream
        self._splice: Rest | None = None
        self.attempt = 0
        """Number of the attempt that may read."""

    buffered: Final = None

    @property
    def trailers(self) -> RawHeaders:
        """The fields behind a chunked body that has ended."""
        return getattr(self._content, "trailers", ())

    @property
    def resendable(self) -> bool:
        """Whether all that was read so far was kept."""
        kept = self._kept
        if kept is None or kept.lost:
            return self.received == 0
        return kept.size == self.received

    @property
    def complete(self) -> bool:
        """Whether all of it was read, and kept."""
        return self._over and self._kept is not None and self.resendable

    def keep(self, limit: int, *, spool: bool = True) -> None:
        """Keep what is read for another attempt, over ``limit`` bytes on disk (0: none is over it).

        Without ``spool`` more than that is let go. What was read before is not there.
        """
        if self.received:
            return
        most = limit or float("inf")
        # A fallback keeps it too, and so do several keys: the one who wants most of it decides.
        if self._kept is None or (spool, most) > (self._kept.disk, self._kept.limit):
            self._kept = Spool(most, disk=spool, room=self._room)

    def waited(self, now: float) -> float:
        """See ``core/body``."""
        return self._clock.waited(now) + self._clock.held_back(now)

    def held_back(self, now: float) -> float:
        """See ``core/body``."""
        return self._clock.held_back(now)

    @property
    def awaited(self) -> bool:
        """See ``core/body``."""
        return self._clock.awaited

    def proceed(self) -> None:
        """The upstream has asked for it, or has had its time to; one that sends needs no word."""
        go_ahead, self._go_ahead = self._go_ahead, None
        if go_ahead is None:
            return
        if not self._content.total_bytes:
            if self._stream is not None and self._stream.exchange.committed:
                return  # it was answered instead
            go_ahead()
        if self._asking is not None:  # somebody reads
            self.ask()

    def reader(self) -> "_Reader":
        """For one attempt, which begins; the one before is over."""
        if not self.resendable:
            raise InternalError("the start of the body is not there to be sent again")
        self.attempt += 1
        return _Reader(self)

    def copy(self) -> BytesBody | None:
        """Where all of it has been read, and is in memory."""
        whole = self._kept.in_memory if self.complete and self._kept is not None else None
        if whole is None:
            return None
        like = BytesBody(whole, self.framing, self.length)
        like.trailers = self.trailers
        return like

    async def read_on(self, position: int) -> bytes:
        """What follows ``position``, of what was kept, else of what the client sends.

        Raises ClientError, or InternalError for the disk.
        """
        kept = self._kept
        if kept is None or position >= kept.size:
            return await self._receive()
        if kept.lost:
            raise InternalError("the body that was kept is lost")
        try:
            return await kept.get(position)
        except (OSError, RuntimeError) as error:  # RuntimeError: no thread
            why = getattr(error, "strerror", None) or "no thread reads it"
            raise local_limit(error) or InternalError(
                f"the body that was kept cannot be read: {why}"
            ) from error

    async def _receive(self) -> bytes:
        """Wait for the client. From its bytes being read to their being kept nothing waits."""
        if self._over:
            return b""
        if self._go_ahead is None:
            self.ask()
        else:
            # Not one that sends without waiting (RFC 9110 10.1.1).
            self._clock.hold()
            self._asking = self._loop.call_later(WAIT_FOR_CONTINUE, self.proceed)
        content, reads, splice = self._content, self._reads, self._splice
        if reads is not None:
            reads.written(content._size)
        if IN_HAND.bytes > CROWDED:
            limit_read_ahead(content)
        try:
            if splice is not None and not content._size:  # what is here goes first
                splice.start()
            data = await content.readany()
        except ClientError:
            raise
        except Exception as error:
            forget_frames(error)  # it stays with the connection
            if splice is not None and splice.receiver_gone:
                raise ConnectionResetError(getattr(error, "errno", 0), "upstream closed") from None
            raise BadRequest(f"the body of the request broke: {error}") from None
        finally:
            self.answered()
            if splice is not None:
                self._splice = None
                splice.close()
            if self._asking is not None:
                self._asking.cancel()
                self._asking = None
        self._go_ahead = None
        self.received += len(data)
        if self.received > self._max:
            raise BodyTooLarge(f"the body has more than max_body of {self._max}")
        if not data:
            if self.length is not None and self.received != self.length:
                raise BadRequest(f"the body ended after {self.received} of {self.length} bytes")
            self._over = True
        elif self._kept is not None:
            await self._kept.put(data)  # counts at once, whatever becomes of the wait
        return data

    def splice(self, sink: Sink) -> bool:
        """As ``core/body.BodyReader`` says, from the first byte on that was not received."""
        kept = self._kept
        if self._stream is None or not (kept is None or kept.lost) or self._content._size:
            return False
        self._splice = self._stream.splice_body(sink, self)
        return self._splice is not None

    # What is told of bytes that go past this

    def passed(self, size: int) -> None:
        """The client is alive."""
        self.received += size
        self.answered()
        self.ask()

    def ask(self) -> None:
        """The client is waited for from now on."""
        self._clock.start(self.received)

    def answered(self) -> None:
        """It is not waited for any more."""
        self._clock.stop()

    def close(self) -> None:
        """Let go of what was kept, and of the clocks; nobody reads any more."""
        self.attempt += 1
        if self._splice is not None:
            self._splice.close()
            self._splice = None
        self._stream = None
        if self._reads is not None:  # what was read after the connection had ended counts too
            self._reads.written()
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()
        self._clock.close()
        self._go_ahead = None
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None


class _Reader:
    """One attempt's pass over a body."""

    __slots__ = ("_attempt", "_body", "_position")

    def __init__(self, body: ClientBody) -> None:
        self._body = body
        self._attempt = body.attempt
        self._position = 0

    async def read(self) -> bytes:
        """The next bytes, ``b""`` at the end. Raises as ``core/body.BodyReader`` says."""
        body = self._body
        data = b""
        if self._attempt == body.attempt:
            data = await body.read_on(self._position)
        if self._attempt != body.attempt:
            raise ConnectionAbortedError("another attempt sends the body")
        self._position += len(data)
        return data

    def splice(self, sink: Sink) -> bool:
        """Not what was kept, nor where another attempt has begun."""
        body = self._body
        current = self._attempt == body.attempt and self._position == body.received
        return current and body.splice(sink)
