"""One stream of events that outlives its client. ``resume.py`` says how."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from proxy.core.errors import ReplyBroken, forget_frames
from proxy.core.reply import Ending, Reply
from proxy.http.sse import after, ids, lined_up

WINDOW: Final = 128 << 10
"""Bytes that are kept of what the client was given last; as many may be pending before reading
pauses."""
_OVERHEAD: Final = 64
"""Bytes that a piece costs beyond its own: tiny events must not cost many times their size."""
_PIECE: Final = 16 << 10
"""Bytes of a chunk for a client that comes back."""


class ResumableStream:
    """Reads a reply in a task of its own, and gives it to one client after the other."""

    __slots__ = (
        "_client",
        "_ended",
        "_error",
        "_from_start",
        "_on_client_end",
        "_pause",
        "_pending",
        "_pending_size",
        "_sent",
        "_sent_size",
        "_skip_lf",
        "_window",
        "reply",
        "task",
    )

    def __init__(
        self, reply: Reply, on_client_end: Callable[[Ending], None], window: int = WINDOW
    ) -> None:
        """``on_client_end`` is called with the ending of a client that has not been replaced."""
        self.reply = reply
        self._on_client_end = on_client_end
        self._window = window
        self._client: ClientSource | None = None
        self._sent: deque[bytes] = deque()
        self._sent_size = 0
        self._pending: deque[bytes] = deque()
        self._pending_size = 0
        self._from_start = True
        """Whether ``_sent`` begins where the stream does: nothing has been dropped."""
        self._skip_lf = False
        """Whether a LF that comes next is dropped: the client goes on after the CR before it."""
        self._pause: asyncio.Future[None] | None = None
        self._ended = False
        self._error: Exception | None = None
        self.task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        ending, error = Ending.ABANDONED, None
        try:
            while chunk := await self.reply.read():
                if self._skip_lf:
                    self._skip_lf = False
                    chunk = chunk.removeprefix(b"\n")
                    if not chunk:
                        continue
                self._pending.append(chunk)
                self._pending_size += len(chunk) + _OVERHEAD
                self._wake()
                while self._pending_size >= self._window:
                    self._pause = asyncio.get_running_loop().create_future()
                    await self._pause
            ending = Ending.COMPLETE
        except asyncio.CancelledError:
            pass  # a task that ends by an error keeps it, and its frames with it
        except Exception as caught:
            forget_frames(caught)
            ending, error = Ending.BROKEN, caught
        finally:
            self._finish(ending, error)

    def stop(self, ending: Ending) -> None:
        """Read no more."""
        self._on_client_end = _ignore  # the listener refers to this stream
        self.task.cancel()
        self._finish(ending, None)  # a task that is cancelled before its first step runs nothing

    def _finish(self, ending: Ending, error: Exception | None) -> None:
        """Nothing more comes from the upstream; what has come stays for a client."""
        if not self._ended:
            self._ended = True
            if ending is not Ending.COMPLETE:
                self._error = error or ReplyBroken("the stream was given up")
            else:
                self.reply.keep_trailers()
        self.reply.close(ending)
        self._wake()

    def _wake(self) -> None:
        if self._client is not None:
            self._client.wake()

    # Clients

    def attach(self, *, reset: bool) -> "ClientSource":
        """The source for a new client, which gets what is pending. A client before it is cut.

        ``reset``: it is HTTP/1.0, so only a broken reply tells it that it was cut.
        """
        before, self._client = self._client, ClientSource(self, reset=reset)
        if before is not None:
            before.wake()
        return self._client

    async def read_for(self, client: "ClientSource") -> bytes:
        """The next bytes for this client. Raises ReplyBroken, and as ``replaced_error`` says."""
        while self._client is client:
            if self._pending:
                return self._take_pending()
            if self._ended:
                if self._error is not None:
                    raise self._error
                return b""
            await client.wait()
        raise client.replaced_error()

    def _take_pending(self) -> bytes:
        chunk = self._pending.popleft()
        self._pending_size -= len(chunk) + _OVERHEAD
        self._sent.append(chunk)
        self._sent_size += len(chunk) + _OVERHEAD
        while self._sent_size - len(self._sent[0]) - _OVERHEAD >= self._window:
            self._sent_size -= len(self._sent.popleft()) + _OVERHEAD
            self._from_start = False
        self._resume_reading()
        return chunk

    def _resume_reading(self) -> None:
        """Go on reading if less than a window is pending."""
        if self._pause is not None and self._pending_size < self._window and not self._pause.done():
            self._pause.set_result(None)

    def detach(self, client: "ClientSource", ending: Ending) -> None:
        """This client has left or has read all."""
        if self._client is client:
            self._client = None
            self._on_client_end(ending)

    # Resuming

    @property
    def resumable(self) -> bool:
        """Whether an event with an id is among what the client was given and is kept."""
        sent = b"".join(self._sent)
        if self._from_start:
            sent, _ = lined_up(sent)
        return any(name for name, _ in ids(sent))

    def rewind(self, last_event_id: bytes) -> bool:
        """Go on after the event with this id; False if it is not kept."""
        data = b"".join((*self._sent, *self._pending))
        end = after(data, last_event_id, whole=self._from_start)
        if end is None:
            return False
        self._skip_lf = end == len(data) and data.endswith(b"\r")
        start = max(0, end - self._window)
        self._from_start = self._from_start and not start
        self._sent = deque((data[start:end],))
        self._sent_size = end - start + _OVERHEAD
        self._pending = deque(data[i : i + _PIECE] for i in range(end, len(data), _PIECE))
        self._pending_size = len(data) - end + _OVERHEAD * len(self._pending)
        self._resume_reading()
        return True


class ClientSource:
    """The body of a reply as one client reads it."""

    __slots__ = ("_reset", "_stream", "_waiter")

    buffered: None = None

    def __init__(self, stream: ResumableStream, *, reset: bool) -> None:
        self._stream = stream
        self._reset = reset
        self._waiter: asyncio.Future[None] | None = None

    async def read(self) -> bytes:
        """The next bytes, ``b""`` at the end. Raises as ``ResumableStream.read_for`` does."""
        return await self._stream.read_for(self)

    def close(self, ending: Ending) -> None:
        """The client has left or has read all."""
        self._stream.detach(self, ending)

    async def wait(self) -> None:
        """Wait until ``wake`` is called."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def wake(self) -> None:
        """Bytes, the end or another client have come."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def replaced_error(self) -> Exception:
        """What a client gets that has been replaced by another: it is taken for gone."""
        return ReplyBroken("resumed elsewhere") if self._reset else ConnectionResetError("resumed")


def _ignore(_: Ending) -> None:
    """In the place of a listener that is called no more."""
