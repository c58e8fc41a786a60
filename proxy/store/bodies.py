"""Replies on their way into a file of SQLite, in the thread that writes.

The chunks of a long body are in the file before its entry is. A client that reads slowly, or stops
reading, keeps them there, and many such clients would fill the disk. So what the file holds is
bounded (``removed``), and a body for which there is no room then is not stored. The one that has
been under way longest goes on all the same: else nothing that is longer than what the bound leaves
could be stored.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from proxy.core.stored import Claim
from proxy.store.database import Database, Row
from proxy.store.file import File
from proxy.store.file_claims import FileClaims

_BACKLOG: Final = 16 << 20
"""Bytes that wait for the disk at the most; what comes beyond it is not stored."""


class Bodies:
    """The bodies that one process stores."""

    __slots__ = (
        *("_begun", "_claims", "_done", "_file", "_left", "_lost", "_read_at", "_under_way"),
    )

    def __init__(self, file: File, claims: FileClaims, read_at: Mapping[int, float]) -> None:
        """``read_at``: when this process has last read chunks of an entry."""
        self._file = file
        self._claims = claims
        self._read_at = read_at
        self._begun = self._done = 0
        """Bytes that were given to the thread that writes, and those that it has seen to. They are
        two numbers, since each of both threads may change one only.
        """
        self._lost: set[int] = set()
        """Idents of bodies of which a chunk could not be written."""
        self._left: set[int] = set()
        """Idents of bodies that are not stored, and whose chunks could not be dropped yet."""
        self._under_way: dict[int, None] = {}
        """Those of the others that have chunks and no entry, in the order in which they began."""

    def has_room(self, size: int) -> bool:
        """Whether so much more may wait for the disk."""
        return self._begun - self._done + size <= _BACKLOG

    def write_chunk(self, ident: int, number: int, data: bytes, max_size: int) -> bool:
        """Have a chunk written; False where too much waits already, or one of its was lost."""
        if ident in self._lost or not self.has_room(len(data)):
            return False
        self._begun += len(data)
        self._file.begin(partial(self._write_chunk, ident, number, data, max_size))
        return True

    def add(
        self,
        row: Row,
        work: Callable[[Database], bool],
        claim: Claim | None,
        written: Callable[[], None],
    ) -> None:
        """Have an entry made visible, by ``work``; then ``written`` is called in that thread."""
        self._begun += len(row.body or b"")
        self._file.begin(partial(self._add, row, work, claim, written))

    def drop(self, ident: int) -> None:
        """Have the chunks of a body forgotten."""
        self._file.begin(partial(self._drop, ident))

    # In the thread that writes

    def _write_chunk(self, ident: int, number: int, data: bytes, max_size: int) -> None:
        self._done += len(data)
        if ident in self._lost:
            return
        self._drop_left()
        self._under_way.setdefault(ident)
        is_first = next(iter(self._under_way)) == ident

        def add(database: Database) -> bool:
            return database.add_chunk(
                ident, number, data, max_size=max_size, is_first=is_first, read_at=self._read_at
            )

        stored = self._file.write(add)
        if not stored:
            self._lost.add(ident)
            if stored is None:
                self._claims.failed()
            self._forget(ident)

    def _add(
        self,
        row: Row,
        work: Callable[[Database], bool],
        claim: Claim | None,
        written: Callable[[], None],
    ) -> None:
        self._done += len(row.body or b"")
        if row.ident in self._lost:
            self._drop(row.ident)
            stored = False
        else:
            self._drop_left()
            self._under_way.pop(row.ident, None)
            stored = self._file.write(work) is not None
            if not stored:
                self._claims.failed()
                self._forget(row.ident)
        if not stored and claim is not None:
            self._claims.give_back(claim)
        written()

    def _drop(self, ident: int) -> None:
        self._lost.discard(ident)
        self._forget(ident)

    def _forget(self, ident: int) -> None:
        self._under_way.pop(ident, None)
        self._left.add(ident)
        self._drop_left()

    def _drop_left(self) -> None:
        """What cannot be written now can be dropped no more than that: it is tried again."""
        left = set(self._left)

        def drop(database: Database) -> bool:
            for ident in left:
                database.drop_chunks(ident)
            return True

        if left and self._file.write(drop) is not None:
            self._left -= left
