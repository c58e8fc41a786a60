"""Entries of a file that were found lately, with what was made of them.

They are looked up in the file each time, since other processes write there too. What is the same
still is not made anew: its head is not read again, and neither are the lines of its last answer.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import msgspec

from proxy.core.clock import monotonic
from proxy.core.stored import Meta
from proxy.http.bounded_cache import BoundedCache
from proxy.store.database import Row
from proxy.store.parts import PartedEntry

_MOST: Final = 4096
_ROOM: Final = 8 << 20
"""Entries, and bytes of all of them."""
_MOST_READ: Final = 1024
"""Entries of which it is known when they were read: more than clients read at a time."""

_decode: Final = msgspec.msgpack.Decoder(Meta).decode


class RecentEntries:
    """Makes entries of rows."""

    __slots__ = ("_chunk", "_known", "read_at")

    def __init__(self, chunk: Callable[[int, int, bool], Awaitable[bytes]]) -> None:
        """``chunk``: gives a chunk of a body, by the ident of its entry and its number."""
        self._chunk = chunk
        self._known: BoundedCache[int, tuple[bytes, PartedEntry]] = BoundedCache(_MOST, _ROOM)
        """By ident, with the head in the form in which the file has it."""
        self.read_at: dict[int, float] = {}
        """When chunks of an entry were read last, by ident. Other threads look into it."""

    def entry(self, row: Row) -> PartedEntry | None:
        """That of a row; None where its head cannot be read."""
        known = self._known.get(row.ident)
        if known is not None and known[0] == row.meta:
            return known[1]
        try:
            meta = _decode(row.meta)
        except msgspec.DecodeError:
            return None
        part = partial(self._chunk, row.ident)
        entry = PartedEntry(row.ident.to_bytes(8, "big"), meta, row.size, row.body, part)
        size = 4 * len(row.meta) + len(row.body or b"")
        self._known.remember(row.ident, (row.meta, entry), size)
        return entry

    def note_read(self, ident: int) -> None:
        """Somebody reads a chunk of it."""
        self.read_at.pop(ident, None)  # so that those that were read last stand at the end
        self.read_at[ident] = monotonic()
        if len(self.read_at) > _MOST_READ:
            del self.read_at[next(iter(self.read_at))]
