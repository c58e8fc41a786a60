"""A stream of events that outlives its client."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from proxy.core.errors import ReplyBroken, forget_frames
from proxy.core.reply import Ending, Reply
from proxy.http.sse import after, ids, lined_up

WINDOW: Final = 128 << 10
"""Bytes kept of what a client was given last; as many may wait for it before reading pauses."""
_OVERHEAD: Final = 64
"""Bytes that a piece costs beyond its own: tiny events must not cost many times their size."""
_PIECE: Final = 16 << 10


class ResumableStream:
    """Reads a reply by a task of its own, and gives it to one client after the other."""

    __slots__ = (
        "_ahead",
        "_client",
        "_cut_in_two",
        "_error",
        "_half",
        "_left",
        "_over",
        "_past",
        "_past_size",
        "_room",
        "_unread",
        "_whole",
        "reply",
        "task",
    )

    def __init__(self, reply: Reply, left: Callable[[Ending], None], half: int = WINDOW) -> None:
        """``left`` is told how a client ended, unless another one had come for the stream."""
        self.reply = reply
        self._left = left
        self._half = half
        self._client: ClientSource | None = None
        self._past: deque[bytes] = deque()
        self._past_size = 0
        self._unread: deque[bytes] = deque()
        self._ahead = 0
        self._whole = True
        """Whether nothing has been dropped from the front of the past."""
        self._cut_in_two = False
        """Whether a client goes on after CR, of which LF may be still to come."""
        self._room: asyncio.Future[None] | None = None
        self._over = False
        self._error: Exception | None = None
        self.task = asyncio.get_running_loop().create_task(self._run())

    @property
    def attached(self) -> bool:
        """Whether there is a client."""
        return self._client is not None

    async def _run(self) -> None:
        ending, error = Ending.ABANDONED, None
        try:
            while chunk := await self.reply.read():
                if self._cut_in_two:
                    self._cut_in_two = False
                    chunk = chunk.removeprefix(b"\n")
                    if not chunk:
                        continue
                self._unread.append(chunk)
                self._ahead += len(chunk) + _OVERHEAD
                self._wake()
                while self._ahead >= self._half:
                    self._room = asyncio.get_running_loop().create_future()
                    await self._room
            ending = Ending.COMPLETE
        except asyncio.CancelledError:
            pass  # a task that ends by an error keeps it, and its frames with it
        except Exception as caught:
            forget_frames(caught)
            ending, error = Ending.BROKEN, caught
        finally:
            self._ended(ending, error)

    def end(self, ending: Ending) -> None:
        """Read no more."""
        self._left = _nobody  # who is told holds this
        self.task.cancel()
        self._ended(ending, None)  # a task that has not begun to run tells nobody that it was ended

    def _ended(self, ending: Ending, error: Exception | None) -> None:
        """Nothing more comes from upstream; what has come stays."""
        if not self._over:
            self._over = True
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
        """A client that is given what is unread. Another one that has been there is cut.

        ``reset``: only an error tells it that this is not the end.
        """
        before, self._client = self._client, ClientSource(self, reset=reset)
        if before is not None:
            before.wake()
        return self._client

    async def next(self, client: "ClientSource") -> bytes:
        """What a client reads. Raises ReplyBroken, or ConnectionError where it was replaced."""
        while self._client is client:
            if self._unread:
                return self._take()
            if self._over:
                if self._error is not None:
                    raise self._error
                return b""
            await client.sleep()
        raise client.replaced()

    def _take(self) -> bytes:
        chunk = self._unread.popleft()
        self._ahead -= len(chunk) + _OVERHEAD
        self._past.append(chunk)
        self._past_size += len(chunk) + _OVERHEAD
        while self._past_size - len(self._past[0]) - _OVERHEAD >= self._half:
            self._past_size -= len(self._past.popleft()) + _OVERHEAD
            self._whole = False
        self._read_on()
        return chunk

    def _read_on(self) -> None:
        """Where there is room again."""
        if self._room is not None and self._ahead < self._half and not self._room.done():
            self._room.set_result(None)

    def leave(self, client: "ClientSource", ending: Ending) -> None:
        """A client has ended."""
        if self._client is client:
            self._client = None
            self._left(ending)

    # Resuming

    @property
    def resumable(self) -> bool:
        """Whether a client that was here has an id to come back with."""
        past = b"".join(self._past)
        if self._whole:
            past, _ = lined_up(past)
        return any(name for name, _ in ids(past))

    def rewind(self, wanted: bytes) -> bool:
        """Go on after the event with this id; False where it is not there."""
        data = b"".join((*self._past, *self._unread))
        end = after(data, wanted, whole=self._whole)
        if end is None:
            return False
        self._cut_in_two = end == len(data) and data.endswith(b"\r")
        start = max(0, end - self._half)
        self._whole = self._whole and not start
        self._past = deque((data[start:end],))
        self._past_size = end - start + _OVERHEAD
        self._unread = deque(data[i : i + _PIECE] for i in range(end, len(data), _PIECE))
        self._ahead = len(data) - end + _OVERHEAD * len(self._unread)
        self._read_on()
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
        """The next bytes, ``b""`` at the end. Raises as ``ResumableStream.next`` does."""
        return await self._stream.next(self)

    def close(self, ending: Ending) -> None:
        """The client wants no more."""
        self._stream.leave(self, ending)

    async def sleep(self) -> None:
        """Wait for news."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def wake(self) -> None:
        """There is something new."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def replaced(self) -> Exception:
        """What ends a client when another one has come for its stream: it is taken for gone."""
        return ReplyBroken("resumed elsewhere") if self._reset else ConnectionResetError("resumed")


def _nobody(_: Ending) -> None:
    """There is nobody to tell."""
