"""A reply that several clients read, each at its own pace."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from proxy.core.errors import ReplyBroken, forget_frames
from proxy.core.reply import Ending, Reply

READ_AHEAD: Final = 256 << 10
"""Bytes that are read before the fastest client has taken them."""
MAX_KEPT: Final = 16 << 20
"""Bytes of a reply that are kept for clients that come late or read slowly."""
MAX_KEPT_TOTAL: Final = 64 << 20
"""Bytes that all shared replies may keep; over it they keep no more than READ_AHEAD."""


_OVERHEAD: Final = 64
"""Bytes that a chunk costs beyond its own: tiny ones must not cost many times their size."""


def _cost(chunk: bytes) -> int:
    return len(chunk) + _OVERHEAD


class MemoryBudget:
    """What all shared replies keep together."""

    __slots__ = ("_most", "used")

    def __init__(self, most: int = MAX_KEPT_TOTAL) -> None:
        self._most = most
        self.used = 0

    @property
    def full(self) -> bool:
        """Whether they have to let go of something."""
        return self.used > self._most


class SharedReply:
    """Reads a reply by a task of its own, no faster than the fastest of its clients.

    Chunks are kept from the first on, so that clients can still join. A reply that gets too long
    for that is closed to others and keeps what its slower clients have not read, up to a bound: who
    falls behind further than that is cut, not waited for.
    """

    __slots__ = (
        "_ahead",
        "_chunks",
        "_dropped",
        "_error",
        "_front",
        "_most",
        "_paused",
        "_room",
        "_start",
        "_waiting",
        "kept",
        "on_end",
        "open",
        "over",
        "reply",
        "size",
        "task",
    )

    def __init__(
        self,
        reply: Reply,
        room: MemoryBudget,
        on_end: Callable[[], object],
        *,
        ahead: int = READ_AHEAD,
        most: int = MAX_KEPT,
    ) -> None:
        """``on_end`` is told when nobody can join any more."""
        self.reply = reply
        self.on_end = on_end
        self._room = room
        self._ahead = ahead
        self._most = most
        self._chunks: deque[bytes] = deque()
        self._dropped = 0
        """Chunks that are kept no more."""
        self._start = 0
        """Where the first one that is kept begins."""
        self._front = 0
        """How far a client has ever come."""
        self.size = 0
        self.kept = 0
        """Bytes of memory."""
        self.open = True
        """Whether others may join."""
        self.over = False
        self._error: Exception | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        self._paused: asyncio.Future[None] | None = None
        self.task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        ending = Ending.ABANDONED
        try:
            while chunk := await self.reply.read():
                self._chunks.append(chunk)
                self.size += len(chunk)
                self._keep(_cost(chunk))
                if self.kept > self._most or self._room.full:
                    self._shut()
                    self._trim()
                self._wake()
                if self.size - self._front >= self._ahead:
                    self._paused = asyncio.get_running_loop().create_future()
                    await self._paused
            ending = Ending.COMPLETE
        except asyncio.CancelledError:
            pass  # a task that ends by an error keeps it, and its frames with it
        except Exception as error:
            forget_frames(error)
            ending, self._error = Ending.BROKEN, error
        finally:
            self._ended(ending)

    def _ended(self, ending: Ending) -> None:
        if not self.over:
            self.over = True
            if ending is not Ending.COMPLETE:
                self._error = self._error or ReplyBroken("the reply was given up")
            else:
                self.reply.keep_trailers()
            self._shut()
            self.reply.close(ending)
            self._wake()

    def _shut(self) -> None:
        if self.open:
            self.open = False
            on_end, self.on_end = self.on_end, _nothing  # who is told holds this
            on_end()

    def _trim(self) -> None:
        """Let go of what is too much to keep."""
        bound = self._ahead if self._room.full else self._most
        while self._chunks and self.kept - _cost(self._chunks[0]) >= bound:
            if self._start + len(self._chunks[0]) > self._front:
                break  # nobody has been given it yet: the fastest is never too slow
            chunk = self._chunks.popleft()
            self._dropped += 1
            self._start += len(chunk)
            self._keep(-_cost(chunk))

    def _keep(self, cost: int) -> None:
        self.kept += cost
        self._room.used += cost

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def go_on(self, position: int) -> None:
        """A client has come so far: read on where it is the fastest."""
        self._front = max(self._front, position)
        paused = self._paused
        if paused is not None and self.size - position < self._ahead and not paused.done():
            paused.set_result(None)

    async def chunk(self, number: int) -> bytes:
        """One of the chunks, ``b""`` after the last. Raises ReplyBroken."""
        while True:
            if number < self._dropped:
                raise ReplyBroken("the client read too slowly a reply that others read too")
            at = number - self._dropped
            if at < len(self._chunks):
                return self._chunks[at]
            if self.over:
                if self._error is not None:
                    raise ReplyBroken(str(self._error))
                return b""
            future = asyncio.get_running_loop().create_future()
            self._waiting.add(future)
            try:
                await future
            finally:
                self._waiting.discard(future)

    def end(self) -> None:
        """No client is left."""
        self.task.cancel()
        self._ended(Ending.ABANDONED)  # a task that has not begun to run tells nobody
        self._keep(-self.kept)
        self._chunks.clear()


def _nothing() -> None:
    """Nobody could join already."""


class SharedBody:
    """The body of a shared reply as one client reads it."""

    __slots__ = ("_left", "_next", "_position", "_shared")

    buffered: None = None

    def __init__(self, shared: SharedReply, left: Callable[[], None]) -> None:
        """``left`` is told when the client wants no more."""
        self._shared = shared
        self._left = left
        self._next = 0
        self._position = 0

    async def read(self) -> bytes:
        """The next bytes, ``b""`` at the end. Raises ReplyBroken."""
        self._shared.go_on(self._position)
        chunk = await self._shared.chunk(self._next)
        self._next += 1
        self._position += len(chunk)
        return chunk

    def close(self, ending: Ending) -> None:
        """The client wants no more."""
        self._left()
