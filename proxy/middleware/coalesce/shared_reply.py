"""A reply that several clients read, each at its own pace."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from proxy.core.clock import Clock
from proxy.core.errors import ReplyBroken, forget_frames
from proxy.core.reply import Ending, Reply
from proxy.core.samples import Sample, gauge
from proxy.core.stopwatch import Stopwatch
from proxy.http.cache_control import for_one_client
from proxy.http.sse import streams_events

READ_AHEAD: Final = 256 << 10
"""Bytes that are read before the fastest client has taken them."""
MAX_KEPT: Final = 16 << 20
"""Bytes of a reply that are kept for clients that come late or read slowly."""
MAX_KEPT_TOTAL: Final = 64 << 20
"""Bytes that all shared replies may keep; over it they keep no more than READ_AHEAD."""

_NEVER: Final = float("inf")
_OVERHEAD: Final = 64
"""Bytes that a chunk costs beyond its own: tiny ones must not cost many times their size."""


def _cost(chunk: bytes) -> int:
    return len(chunk) + _OVERHEAD


class MemoryBudget:
    """How much memory all shared replies take together."""

    __slots__ = ("_limit", "used")

    def __init__(self, limit: int = MAX_KEPT_TOTAL) -> None:
        self._limit = limit
        self.used = 0

    @property
    def exceeded(self) -> bool:
        """Whether they take too much: each keeps no more than READ_AHEAD then."""
        return self.used > self._limit

    def describe(self, _: float) -> Iterator[Sample]:
        """For operators."""
        yield gauge("coalesced_bytes", self.used)


class SharedReply:
    """Reads a reply in a task of its own, at the pace of the fastest of its clients.

    It keeps all chunks from the first on, so that clients can still join. Once it keeps too much,
    no client can join any more, and it drops chunks that the fastest client has been given. A
    client whose next chunk has been dropped gets ReplyBroken: nobody waits for the slowest.
    """

    __slots__ = (
        "_chunk_waiters",
        "_chunks",
        "_clock",
        "_dropped_chunks",
        "_error",
        "_fastest",
        "_kept_from",
        "_memory",
        "_pause",
        "_taking",
        "bytes_read",
        "ended",
        "heard_at",
        "joinable",
        "kept_bytes",
        "on_joining_ends",
        "reply",
        "task",
    )

    def __init__(
        self,
        reply: Reply,
        memory: MemoryBudget,
        on_joining_ends: Callable[[], object],
        taking: Stopwatch,
        *,
        clock: Clock,
    ) -> None:
        """``on_joining_ends`` is called once when no further client can join.

        ``taking`` counts the time for which no client takes what has been read.
        """
        self._taking = taking
        self._clock = clock
        self.reply = reply
        self.on_joining_ends = on_joining_ends
        self._memory = memory
        self._chunks: deque[bytes] = deque()
        self._dropped_chunks = 0
        """How many chunks have been dropped from the front."""
        self._kept_from = 0
        """Position of the first byte that is kept."""
        self._fastest = 0
        """Position up to which a client has been given the body, at the most."""
        self.bytes_read = 0
        self.heard_at = clock()
        """When its last byte came; never, while clients have to take some first."""
        self.kept_bytes = 0
        """Bytes of memory that the kept chunks cost."""
        self.joinable = True
        """Whether clients can still join."""
        self.ended: Ending | None = None
        """How; None while its body comes."""
        self._error: Exception | None = None
        self._chunk_waiters: set[asyncio.Future[None]] = set()
        self._pause: asyncio.Future[None] | None = None
        self.task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        ending = Ending.ABANDONED
        try:
            while chunk := await self.reply.read():
                self.heard_at = self._clock()
                self._chunks.append(chunk)
                self.bytes_read += len(chunk)
                self._account_for(_cost(chunk))
                if self.kept_bytes > MAX_KEPT or self._memory.exceeded:
                    self._end_joining()
                    self._trim()
                self._wake()
                if self.bytes_read - self._fastest >= READ_AHEAD:
                    await self._wait_for_clients()
            ending = Ending.COMPLETE
        except asyncio.CancelledError:
            pass  # a task that ends by an error keeps it, and its frames with it
        except Exception as error:
            forget_frames(error)
            ending, self._error = Ending.BROKEN, error
        finally:
            self._finish(ending)

    async def _wait_for_clients(self) -> None:
        self._pause = asyncio.get_running_loop().create_future()
        self._taking.begin(self._clock())
        self.heard_at = _NEVER
        await self._pause
        self.heard_at = self._clock()
        self._taking.end(self.heard_at)

    def _finish(self, ending: Ending) -> None:
        if not self.ended:
            self.ended = ending
            if ending is not Ending.COMPLETE:
                self._error = self._error or ReplyBroken("the reply was given up")
            else:
                self.reply.keep_trailers()
            self._end_joining()
            self.reply.close(ending)
            self._wake()

    def _end_joining(self) -> None:
        if self.joinable:
            self.joinable = False
            # It refers to the call, and the call to this.
            call_back, self.on_joining_ends = self.on_joining_ends, _nothing
            call_back()

    def _trim(self) -> None:
        """Drop chunks from the front until no more than the bound is kept."""
        bound = READ_AHEAD if self._memory.exceeded else MAX_KEPT
        while self._chunks and self.kept_bytes - _cost(self._chunks[0]) >= bound:
            if self._kept_from + len(self._chunks[0]) > self._fastest:
                break  # no client has been given it yet: the fastest is never cut
            chunk = self._chunks.popleft()
            self._dropped_chunks += 1
            self._kept_from += len(chunk)
            self._account_for(-_cost(chunk))

    def _account_for(self, cost: int) -> None:
        self.kept_bytes += cost
        self._memory.used += cost

    def _wake(self) -> None:
        waiters, self._chunk_waiters = self._chunk_waiters, set()
        for future in waiters:
            if not future.done():
                future.set_result(None)

    def advance(self, position: int) -> None:
        """A client has been given the body up to ``position``: read on if it is the fastest."""
        self._fastest = max(self._fastest, position)
        pause = self._pause
        room = self.bytes_read - position < READ_AHEAD
        if pause is not None and room and not pause.done():
            pause.set_result(None)

    async def chunk(self, number: int) -> bytes:
        """Wait for the chunk with this number; ``b""`` after the last. Raises ReplyBroken."""
        while True:
            if number < self._dropped_chunks:
                raise ReplyBroken("the client read too slowly a reply that others read too")
            at = number - self._dropped_chunks
            if at < len(self._chunks):
                return self._chunks[at]
            if self.ended:
                if self._error is not None:
                    raise ReplyBroken(str(self._error))
                return b""
            future = asyncio.get_running_loop().create_future()
            self._chunk_waiters.add(future)
            try:
                await future
            finally:
                self._chunk_waiters.discard(future)

    def abandon(self) -> None:
        """Read no more and drop all chunks: the last client has left."""
        self.task.cancel()
        self._finish(Ending.ABANDONED)  # a task that has not begun to run tells nobody
        self._account_for(-self.kept_bytes)
        self._chunks.clear()


def _nothing() -> None:
    """Called instead of the listener after its first call."""


class SharedBody:
    """The body of a shared reply as one client reads it."""

    __slots__ = ("_next_chunk", "_on_close", "_position", "_shared")

    buffered: None = None

    def __init__(self, shared: SharedReply, on_close: Callable[[], None]) -> None:
        """``on_close`` is called when the client has left or has read all."""
        self._shared = shared
        self._on_close = on_close
        self._next_chunk = 0
        self._position = 0

    async def read(self) -> bytes:
        """The next bytes, ``b""`` at the end. Raises ReplyBroken."""
        self._shared.advance(self._position)
        chunk = await self._shared.chunk(self._next_chunk)
        self._next_chunk += 1
        self._position += len(chunk)
        return chunk

    def close(self, ending: Ending) -> None:
        """The client has left or has read all."""
        self._on_close()


def is_unshareable(reply: Reply) -> bool:
    """Whether a reply may be for one client only, or may never end (RFC 9111 3, 4.1)."""
    if (
        reply.upgraded is not None
        or (reply.length or 0) > MAX_KEPT
        or streams_events(reply.headers)
    ):
        return True
    return for_one_client(reply.status, reply.headers)
