"""The body of a reply on its way into the store."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from proxy.core.clock import Clock
from proxy.core.reply import Ending, Reply
from proxy.core.stored import Writer
from proxy.http.event_ends import EventEnd

_MOST_CHUNKS: Final = 10_000
"""Of a stream whose pace is noted; what comes behind them is replayed at once."""


class StoredWhileRead:
    """The source of a reply that is stored while it is read.

    What is cut, breaks or is given up is forgotten; what ends is stored.
    """

    __slots__ = (
        "_began",
        "_clock",
        "_end",
        "_left",
        "_pace",
        "_place",
        "_reply",
        "_size",
        "_writer",
    )

    buffered: None = None

    def __init__(
        self,
        reply: Reply,
        writer: Writer,
        max_object: int,
        place: Callable[[], Awaitable[Sequence[bytes] | None]],
        *,
        events: bool,
        pace: list[tuple[int, float]] | None,
        clock: Clock,
    ) -> None:
        """``place``: idents of the entries whose place it takes; None where it is not stored.

        ``events``: a stream of events, which is stored only if it ends as one of its kind does.

        ``pace``: where to note when each chunk came, see ``core/stored.Meta``.
        """
        self._pace = pace
        self._clock = clock
        self._began = clock()
        self._reply = reply
        self._writer: Writer | None = writer
        self._left = max_object or 1 << 62
        self._place = place
        self._size = 0
        self._end = EventEnd() if events else None

    async def read(self) -> bytes:
        """The next bytes, which are stored too.

        The last ones are given out when all are on their way into the store: a client that has the
        whole reply finds it there.
        """
        data = await self._reply.read()
        writer = self._writer
        if writer is None:
            return data
        length = self._reply.length
        if not data:
            await self._finish(is_whole=length in (None, self._size))
            return data
        if self._pace is not None and len(self._pace) < _MOST_CHUNKS:
            self._pace.append((self._size, self._clock() - self._began))
        self._size += len(data)
        if self._end is not None:
            self._end.hear(data)
        if self._size > self._left or not writer.write(data):
            self._abort()
        elif self._size == length:
            await self._finish(is_whole=True)
        return data

    async def _finish(self, *, is_whole: bool) -> None:
        replaces: Sequence[bytes] | None = None
        if self._end is not None and not self._end.is_good():
            is_whole = False
        if is_whole and not self._reply.last_trailers():
            replaces = await self._place()
        writer = self._writer
        if replaces is None:
            self._abort()
        elif writer is not None:  # it may have been closed meanwhile
            self._writer = None
            writer.commit(replaces)

    def pause(self, *, paused: bool) -> None:
        """As the reply that it reads."""
        self._reply.pause(paused=paused)

    def close(self, ending: Ending) -> None:
        """Close the reply that it reads."""
        self._abort()
        self._reply.close(ending)

    def _abort(self) -> None:
        if self._writer is not None:
            self._writer.abort()
            self._writer = None
