"""What was read of a request's body, kept to be sent again."""

import asyncio
import os
import tempfile
from collections.abc import Callable
from functools import partial
from typing import IO, Any, Final, TypeVar

from proxy.core.local_limits import complain, local_limit

T = TypeVar("T")

_PIECE: Final = 64 << 10


class Spool:
    """Bytes in memory up to a limit, beyond it in a temporary file that has no name.

    The file is written and read by threads: a disk may stand still, the loop may not. What was put
    is there for the next ``get`` even where who put it was cancelled meanwhile.
    """

    __slots__ = ("_busy", "_disk", "_file", "_limit", "_loop", "_memory", "lost", "size")

    def __init__(self, limit: float, *, disk: bool) -> None:
        """``limit``: bytes in memory; ``disk``: whether more may go into a file."""
        self._limit = limit
        self._disk = disk
        self._loop = asyncio.get_running_loop()
        self._memory: bytearray | None = bytearray()
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
        place = self.size
        self.size += len(data)
        memory = self._memory
        if memory is not None:
            memory += data
            if self.size <= self._limit:
                return
            if not self._disk:
                self.close()
                return
            data, place, self._memory = bytes(memory), 0, None
        try:
            await self._run(partial(self._write, data, place))
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
        """All of it, where that is in memory."""
        return None if self._memory is None else bytes(self._memory)

    def close(self) -> None:
        """Let go of all of it."""
        self.lost = True
        self._memory = None
        busy, file = self._busy, self._file
        if busy is not None and not busy.done():
            busy.add_done_callback(lambda _: self.close())
        elif file is not None:
            self._file = None
            file.close()  # it has no name, so nothing of it is worth writing

    async def _run(self, work: Callable[[], T]) -> T:
        """In a thread, after what an attempt that was cancelled has left running there."""
        while self._busy is not None and not self._busy.done():
            await asyncio.wait((self._busy,))
        future = self._loop.run_in_executor(None, work)
        self._busy = future
        future.add_done_callback(self._failed)  # whoever waits may have been cancelled
        return await asyncio.shield(future)

    def _failed(self, future: asyncio.Future[Any]) -> None:
        if not future.cancelled() and future.exception() is not None:
            self.close()

    def _write(self, data: bytes, place: int) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (closed by close)
        view = memoryview(data)
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
