"""A body whose first chunk is watched: whether anybody holds it while more of it is awaited."""

import asyncio
import weakref
from typing import Any

from proxy.core.reply import Ending, Sink


class Chunk(bytearray):
    """Bytes that a weak reference may watch."""


class Stalling:
    """One chunk, then nothing for a while. A body of a request and of a reply."""

    buffered = None
    length: int | None = 4
    trailers = ()

    def __init__(self) -> None:
        self.awaited = asyncio.Event()
        """More is awaited."""
        self.more = asyncio.Event()
        """The end may come."""
        self._chunk: weakref.ref[Chunk] | None = None

    @property
    def held(self) -> bool:
        """Whether somebody still has the chunk."""
        assert self._chunk is not None
        return self._chunk() is not None

    def reader(self) -> Any:
        """Itself."""
        return self

    async def read(self) -> Any:
        """The chunk, or the end."""
        if self._chunk is None:
            chunk = Chunk(b"one ")
            self._chunk = weakref.ref(chunk)
            return chunk
        self.awaited.set()
        await self.more.wait()
        return b""

    def splice(self, sink: Sink) -> bool:
        """It comes through here."""
        return False

    def close(self, ending: Ending) -> None:
        """Nothing is held."""
