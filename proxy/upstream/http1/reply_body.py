"""The body of a reply as it comes in."""

import asyncio

import msgspec
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from proxy.core.errors import ReplyStalled, forget_frames
from proxy.core.reply import Ending, Sink
from proxy.core.words import in_seconds
from proxy.http.fields import RawHeaders
from proxy.http.sse import SseScanner
from proxy.net.small_reads import CROWDED, IN_HAND, SmallReads, limit_read_ahead, read_small
from proxy.net.splice import LEAST
from proxy.net.stall_clock import LOOKS
from proxy.upstream.http1.request_body import Upload
from proxy.upstream.http1.spliced_reply import SplicedReply, spliced
from proxy.upstream.pooled_connection import PooledConnection
from proxy.upstream.translate import body_error


class WholeBody(msgspec.Struct, frozen=True):
    """One that came in one piece with its head, and whose request was sent as a whole.

    The reply holds its bytes, so nothing is left to do but to give the connection back.
    """

    connection: PooledConnection
    buffered: bytes = b""
    """What is left of it."""

    async def read(self) -> bytes:
        """Nothing more comes."""
        return b""

    def close(self, ending: Ending) -> None:
        """Give the connection back, or close it where the reply was not wanted."""
        if ending is Ending.COMPLETE:
            self.connection.release()
        else:
            self.connection.discard()


class ReplyBody:
    """Reads on the idle clock, and gives the connection back at the end.

    While the request is still being sent, the clock begins anew with all that the upstream takes of
    it, and stands still while the client is waited for: an upstream that waits for the rest of the
    request has nothing to say. It ends up to a quarter of its time late then, see ``StallClock``.
    """

    __slots__ = (
        "_begun",
        "_connection",
        "_idle",
        "_late",
        "_payload",
        "_reads",
        "_since",
        "_splice",
        "_upload",
        "_whole",
    )

    def __init__(
        self,
        connection: PooledConnection,
        payload: StreamReader,
        upload: Upload | None,
        idle: float,
    ) -> None:
        self._connection = connection
        self._payload = payload
        self._upload = upload
        self._idle = idle
        self._late = _stalled
        self._since = 0.0
        """When the clock began, while the request is being sent."""
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
        if reads is not None:
            reads.written(payload._size)
        if IN_HAND.bytes > CROWDED:
            limit_read_ahead(payload)
        if self._upload is None:
            protocol.arm(self._idle, self._late)
        else:
            self.on_clock()
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
        if payload._size or protocol.encrypted or not (upload is None or upload.task.done()):
            return False
        if protocol.plain < LEAST or payload.exception() is not None:
            return False
        self._splice = spliced(protocol, sink, self.on_clock)
        return self._splice is not None

    def on_clock(self) -> None:
        """The upstream is waited for from now on."""
        upload = self._upload
        if upload is not None:
            now = self._since = self._connection.protocol._loop.time()
            if upload.sender.is_moving():
                self._begin_anew(now)
            if not upload.sender.is_over:
                if self._idle:
                    self._look_later(now)
                return
            self._upload = None
        self._connection.protocol.arm(self._idle, self._late)

    def _begin_anew(self, now: float) -> None:
        """The clock does, as the upstream has taken more of the request, or waits for more."""
        self._since = now

    def _look_later(self, now: float) -> None:
        end = self._since + self._idle
        at = min(now + self._idle / LOOKS, end)
        self._connection.protocol.arm(at - now, self._look_at_upload)

    def _look_at_upload(self) -> Exception | None:
        upload, now = self._upload, self._connection.protocol._loop.time()
        if upload is not None and upload.sender.is_moving():
            self._begin_anew(now)
        elif now >= self._since + self._idle:
            return self._late()
        self._look_later(now)
        return None

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
        if upload is not None and not upload.task.done():
            upload.task.cancel()
            self._connection.discard()
        elif ending is Ending.COMPLETE:
            self._connection.release()
        else:
            self._connection.discard()


class ProgressReplyBody(ReplyBody):
    """A stream of events on the progress clock too, which comments and pings do not stop.

    Only time spent waiting for the upstream counts: a client that takes slowly is not its fault.
    """

    __slots__ = ("_asked", "_events", "_loop", "_progress", "_silence", "_waited")

    def __init__(
        self,
        connection: PooledConnection,
        payload: StreamReader,
        upload: Upload | None,
        idle: float,
        progress: float,
    ) -> None:
        """``idle`` and ``progress`` in seconds; no ``idle`` is zero."""
        super().__init__(connection, payload, upload, idle)
        self._events = SseScanner()
        self._loop = asyncio.get_running_loop()
        self._silence = idle
        self._progress = progress
        self._asked = 0.0
        self._waited = 0.0
        """Seconds since the last event, but for those in which nobody read."""

    async def read(self) -> bytes:
        """As above."""
        self._asked = self._loop.time()
        self._choose()
        try:
            data = await super().read()
        finally:  # whoever asked may have given up waiting, and ask again
            self._waited += self._loop.time() - self._asked
        if self._events.feed(data):
            self._waited = 0.0
        return data

    def _choose(self) -> None:
        """The clock that would ring first."""
        left = max(self._progress - self._waited, 0.001)
        if not self._silence or left < self._silence:
            self._idle, self._late = left, _no_progress
        else:
            self._idle, self._late = self._silence, _stalled

    def _begin_anew(self, now: float) -> None:
        self._since = self._asked = now
        self._waited = 0.0
        self._choose()

    def splice(self, sink: Sink) -> bool:
        """Events are looked at."""
        return False

    @property
    def _clock(self) -> float:
        return self._progress if self._late is _no_progress else self._silence


def _no_progress() -> Exception:
    return ReplyStalled("the upstream sent no event within progress", clock="progress")


def _stalled() -> Exception:
    return ReplyStalled("the upstream sent nothing more of its reply within idle", clock="idle")


def take_buffered(payload: StreamReader) -> bytes:
    """What has arrived of a body, even where it has broken since."""
    if payload is EMPTY_PAYLOAD or not payload._buffer:
        return b""
    return payload._read_nowait(-1)
