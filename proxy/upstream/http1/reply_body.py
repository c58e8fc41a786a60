"""The body of a reply as it comes in."""

import asyncio

from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from proxy.core.errors import ReplyStalled, forget_frames
from proxy.core.reply import Ending, Sink
from proxy.core.words import in_seconds
from proxy.http.fields import RawHeaders
from proxy.http.sse import SseScanner
from proxy.net.small_reads import CROWDED, IN_HAND, SmallReads, limit_read_ahead, read_small
from proxy.net.splice import LEAST
from proxy.upstream.http1.spliced_reply import SplicedReply, spliced
from proxy.upstream.pooled_connection import PooledConnection
from proxy.upstream.translate import body_error


class ReplyBody:
    """Reads on the idle clock, and gives the connection back at the end."""

    __slots__ = (
        "_begun",
        "_connection",
        "_idle",
        "_late",
        "_payload",
        "_reads",
        "_splice",
        "_upload",
        "_whole",
    )

    def __init__(
        self,
        connection: PooledConnection,
        payload: StreamReader,
        upload: asyncio.Task[None] | None,
        idle: float,
    ) -> None:
        self._connection = connection
        self._payload = payload
        self._upload = upload
        self._idle = idle
        self._late = _stalled
        self._whole: bytes | None = None
        self._begun = False
        self._reads: SmallReads | None = None
        self._splice: SplicedReply | None = None
        connection.protocol.timer.disarm()

    def trailers(self) -> RawHeaders:
        """The fields behind the body; before ``close``, when the body has been read."""
        return self._connection.protocol.trailers

    @property
    def buffered(self) -> bytes | None:
        """The whole body where it has already arrived, else None."""
        if self._whole is not None:
            return self._whole
        payload = self._payload
        if payload.is_eof() and payload.exception() is None:
            self._whole = take_buffered(payload)
        return self._whole

    def pause(self, *, paused: bool) -> None:
        """Read nothing for now, or go on."""
        protocol = self._connection.protocol
        if paused:
            protocol._pause_reading_for_buffer()
        else:
            protocol._resume_reading_for_buffer()

    async def read(self) -> bytes:
        """The next bytes, ``b""`` at the end. Raises ReplyBroken where the body ended early."""
        if self._whole is not None:
            whole, self._whole = self._whole, b""
            return whole
        payload = self._payload
        protocol = self._connection.protocol
        if not self._begun:
            self._begun = True
            if payload is not EMPTY_PAYLOAD:
                self._reads = protocol.reads = protocol.reads or read_small(
                    protocol, payload._size, to_the_end=protocol.encrypted
                )
        reads = self._reads
        if reads is not None and not payload._size:  # what was read before has been written
            IN_HAND.bytes -= reads.held
            reads.held = 0
        if IN_HAND.bytes > CROWDED:
            limit_read_ahead(payload)
        protocol.arm(self._idle, self._late)
        splice = self._splice
        try:
            if splice is not None and not payload._size:  # what is here goes first
                splice.start()
            return await payload.readany()
        except Exception as error:
            if splice is not None and splice.receiver_gone:
                forget_frames(error)
                raise ConnectionResetError("client gone") from None
            if rest := take_buffered(payload):  # what came before it broke; the error comes again
                return rest
            failed = body_error(error)
            if isinstance(failed, ReplyStalled) and not failed.detail.endswith(" s"):
                failed.detail += f" of {in_seconds(self._clock)}"
            raise failed from None
        finally:
            protocol.timer.disarm()
            if splice is not None:
                self._splice = None
                splice.close()

    def splice(self, sink: Sink) -> bool:
        """Have the next ``read`` give all that is left to ``sink``, and return its end.

        False where the bytes are to pass through here: they are framed, encrypted, few, here
        already, or the request is still being sent.
        """
        protocol, payload, upload = self._connection.protocol, self._payload, self._upload
        if payload._size or protocol.encrypted or not (upload is None or upload.done()):
            return False
        if protocol.plain < LEAST or payload.exception() is not None:
            return False
        self._splice = spliced(protocol, sink, self.on_clock)
        return self._splice is not None

    def on_clock(self) -> None:
        """The upstream is waited for from now on."""
        self._connection.protocol.arm(self._idle, self._late)

    @property
    def _clock(self) -> float:
        """Seconds of the clock that is running."""
        return self._idle

    def close(self, ending: Ending) -> None:
        """Give the connection back, or close it where anything was left unread or unsent."""
        if self._splice is not None:
            self._splice.close()
            self._splice = None
        upload = self._upload
        if upload is not None and not upload.done():
            upload.cancel()
            self._connection.discard()
        elif ending is Ending.COMPLETE:
            self._connection.release()
        else:
            self._connection.discard()


class ProgressReplyBody(ReplyBody):
    """A stream of events on the progress clock too, which comments and pings do not stop.

    Only time spent waiting for the upstream counts: a client that takes slowly is not its fault.
    """

    __slots__ = ("_events", "_loop", "_progress", "_waited")

    def __init__(
        self,
        connection: PooledConnection,
        payload: StreamReader,
        upload: asyncio.Task[None] | None,
        idle: float,
        progress: float,
    ) -> None:
        """``idle`` and ``progress`` in seconds; no ``idle`` is zero."""
        super().__init__(connection, payload, upload, idle)
        self._events = SseScanner()
        self._loop = asyncio.get_running_loop()
        self._progress = progress
        self._waited = 0.0

    async def read(self) -> bytes:
        """As above."""
        left = max(self._progress - self._waited, 0.001)
        asked = self._loop.time()
        if not self._idle or left < self._idle:
            idle, self._idle, self._late = self._idle, left, _no_progress
        else:
            idle = self._idle
        try:
            data = await super().read()
        finally:  # whoever asked may have given up waiting, and ask again
            self._idle, self._late = idle, _stalled
            self._waited += self._loop.time() - asked
        if self._events.feed(data):
            self._waited = 0.0
        return data

    def splice(self, sink: Sink) -> bool:
        """Events are looked at."""
        return False

    @property
    def _clock(self) -> float:
        return self._progress if self._late is _no_progress else self._idle


def _no_progress() -> Exception:
    return ReplyStalled("the upstream sent no event within progress", clock="progress")


def _stalled() -> Exception:
    return ReplyStalled("the upstream sent nothing more of its reply within idle", clock="idle")


def take_buffered(payload: StreamReader) -> bytes:
    """What has arrived of a body, even where it has broken since."""
    if payload is EMPTY_PAYLOAD or not payload._buffer:
        return b""
    return payload._read_nowait(-1)
