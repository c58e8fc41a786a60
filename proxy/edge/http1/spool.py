"""What was read of a request's body, kept to be sent again."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from typing import IO, Any, Final, TypeVar

from proxy.core.body import BytesBody
from proxy.core.local_limits import complain, local_limit

T = TypeVar("T")

_PIECE: Final = 64 << 10

IN_MEMORY: Final = 32 << 20
"""Bytes of bodies that all requests together keep in memory; more of them goes to the disk."""
ON_DISK: Final = 1 << 30
"""Bytes that all requests together keep on disk. Over it a body is not kept, and not sent again."""
LONGEST: Final = 256 << 20
"""Bytes that one request keeps on disk: some upload without end."""

SMALL: Final = 16 << 10
"""Bytes of a body that came with its head and is not counted: its connection costs as much."""


class Room:
    """What all kept bodies may take together."""

    __slots__ = ("_longest", "_most_disk", "_most_memory", "disk", "memory")

    def __init__(
        self, memory: int = IN_MEMORY, disk: int = ON_DISK, longest: int = LONGEST
    ) -> None:
        """Bytes in all, and of one body on disk."""
        self._most_memory = memory
        self._most_disk = disk
        self._longest = longest
        self.memory = 0
        self.disk = 0
        """Bytes that are taken."""

    def has_memory(self, more: int) -> bool:
        """Whether so many more bytes may stay in memory."""
        return self.memory + more <= self._most_memory

    def has_disk(self, more: int, size: int) -> bool:
        """Whether so many more bytes of a body that has come to ``size`` may go to the disk."""
        return size <= self._longest and self.disk + more <= self._most_disk


class CountedBody(BytesBody):
    """A body that came with its head and stays until its exchange ends: it takes room too."""

    __slots__ = ("_room",)

    def __init__(self, whole: bytes, framing: bytes, length: int | None, *, room: Room) -> None:
        super().__init__(whole, framing, length)
        self._room: Room | None = room
        room.memory += len(whole)

    def close(self) -> None:
        """Take none any more."""
        room, self._room = self._room, None
        if room is not None:
            room.memory -= len(self.buffered)


class Spool:
    """Bytes in memory up to a limit, beyond it in a temporary file that has no name.

    The file is written and read by threads: a disk may stand still, the loop may not. What was put
    is there for the next ``get`` even where who put it was cancelled meanwhile.
    """

    __slots__ = (
        "_busy",
        "_file",
        "_loop",
        "_memory",
        "_on_disk",
        "_room",
        "disk",
        "limit",
        "lost",
        "size",
    )

    def __init__(self, limit: float, *, disk: bool, room: Room) -> None:
        """``limit``: bytes in memory; ``disk``: whether more may go into a file."""
        self.limit = limit
        self._room = room
        self._on_disk = 0
        self.disk = disk
        self._loop = asyncio.get_running_loop()
        self._memory: bytearray | bytes | None = bytearray()
        self._file: IO[bytes] | None = None
        self._busy: asyncio.Future[Any] | None = None
        self.size = 0
        """Bytes that were put."""
        self.lost = False
        """Whether they were too many, or the disk failed: nothing is kept any more."""

    async def put(self, data: bytes) -> None:
        """Keep what comes next; gives up rather than fail."""
        if self.lost:
            return
        place, room = self.size, self._room
        self.size += len(data)
        memory = self._memory
        if memory is not None:
            if self.size <= self.limit and room.has_memory(len(data)):
                memory += data
                self._memory = memory
                room.memory += len(data)
                return
            if not self.disk:
                self.close()
                return
            place = 0
        if not room.has_disk(self.size - place, self.size):
            self.close()
            return
        self._on_disk += self.size - place
        room.disk += self.size - place
        self._memory = None
        pieces = (memory or b"", data)
        try:
            await self._run(partial(self._write, pieces, place), len(pieces[0]))
        except (OSError, RuntimeError) as error:  # RuntimeError: no thread
            ours = local_limit(error)
            why = error if ours is None else ours.detail
            complain("spool", f"request bodies cannot be kept on disk for another try: {why}")
            self.close()

    async def get(self, place: int) -> bytes:
        """Some of it, from ``place`` on. Raises OSError where the disk fails."""
        if self._memory is not None:
            return bytes(self._memory[place : place + _PIECE])
        return await self._run(partial(self._read, place))

    @property
    def in_memory(self) -> bytes | None:
        """All of it, where that is in memory: what is kept itself, so it takes no more room."""
        if isinstance(self._memory, bytearray):
            self._memory = bytes(self._memory)
        return self._memory

    def close(self) -> None:
        """Let go of all of it."""
        self.lost = True
        self._forget_memory()
        busy, file = self._busy, self._file
        if busy is not None and not busy.done():
            busy.add_done_callback(lambda _: self.close())
            return
        if file is not None:
            self._file = None
            file.close()  # it has no name, so nothing of it is worth writing
        self._room.disk -= self._on_disk
        self._on_disk = 0

    def _forget_memory(self) -> None:
        memory, self._memory = self._memory, None
        if memory is not None:
            self._room.memory -= len(memory)

    async def _run(self, work: Callable[[], T], memory: int = 0) -> T:
        """In a thread, after what an attempt that was cancelled has left running there.

        ``memory``: bytes that are free when it is done.
        """
        try:
            while self._busy is not None and not self._busy.done():
                await asyncio.wait((self._busy,))
            future = self._loop.run_in_executor(None, work)
        except BaseException:
            self._room.memory -= memory
            raise
        self._busy = future
        # Not by who waits, who may have been cancelled.
        future.add_done_callback(partial(self._done, memory))
        return await asyncio.shield(future)

    def _done(self, memory: int, future: asyncio.Future[Any]) -> None:
        self._room.memory -= memory
        if not future.cancelled() and future.exception() is not None:
            self.close()

    def _write(self, pieces: Iterable[bytes | bytearray], place: int) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (closed by close)
        for piece in pieces:
            view = memoryview(piece)
            while view:
                written = os.pwrite(self._file.fileno(), view, place)
                place += written
                view = view[written:]

    def _read(self, place: int) -> bytes:
        if self._file is None:
            raise OSError("nothing was kept")
        data = os.pread(self._file.fileno(), _PIECE, place)
        if not data:  # the end comes from the client, not from here
            raise OSError("less was kept than had come")
        return data
