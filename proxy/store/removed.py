"""Chunks of a file of SQLite that no entry has: of what was removed, and of what is on its way.

What was removed stays for ten minutes, since a slow client may still be reading it, in this process
or in another one. But whoever replaces a long reply again and again would fill the disk meanwhile.
So there is a bound for all that the file holds, whichever process has written it: ``max_size``, and
a quarter of that or one reply of the longest seen. What is beyond it goes at once: what was removed
first, and of that what this process reads goes last. A client that is in the midst of it is cut.

What is on its way counts as well. Where nothing is left that was removed, and the file still holds
too much, chunks are taken of one body of each process alone (``bodies``). What a process that has
died had on its way goes after an hour.

How much the file holds is what SQLite says of its pages, which costs nothing. They hold more than
the entries count (a page is seldom full): how much that is, a sweep finds out.
"""

import sqlite3
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from proxy.store.parts import PIECE

LINGER: Final = 600.0
"""Seconds for which those of what was removed stay."""
ORPHANED: Final = 3600.0
"""Seconds after which chunks that were on their way are of a process that has died."""
SPARE: Final = 1 << 20
"""Bytes of room that are made for chunks at a time: a look at all that was removed takes long."""
_SHARE: Final = 4
"""Of ``max_size``, what may be there beyond it."""
_LEAST: Final = 1 << 20
"""Bytes that may be in any case."""
_BATCH: Final = 64
"""Removed entries whose chunks go with one new entry, at most."""
NEVER: Final[Mapping[int, float]] = MappingProxyType({})
"""Nothing has been read."""


def began(ident: int) -> float:
    """When a reply was begun to be stored."""
    return (ident >> 10) / 1_000_000


class Removed:
    """The removed entries with chunks, by one connection. All is done within a transaction."""

    __slots__ = ("_db", "_longest", "_unused", "_wall")

    def __init__(self, db: sqlite3.Connection, wall: Callable[[], float]) -> None:
        self._db = db
        self._wall = wall
        self._longest = 0
        """What the largest entry cost that this connection has made visible."""
        self._unused = 0
        """Bytes of the file that hold neither entries nor such chunks, at the last sweep."""

    def add(self, ident: int) -> None:
        """An entry with chunks is removed."""
        self._db.execute("INSERT OR IGNORE INTO gone VALUES (?, ?)", (ident, self._wall()))

    def add_all(self) -> None:
        """All entries with chunks are about to be."""
        self._db.execute(
            "INSERT OR IGNORE INTO gone SELECT id, ? FROM entries WHERE body IS NULL",
            (self._wall(),),
        )

    def has_come(self, cost: int) -> None:
        """An entry has become visible."""
        self._longest = max(self._longest, cost)

    def is_full(self, max_size: int) -> bool:
        """Whether the file holds too much."""
        return self._held() > self._most(max_size)

    def _most(self, max_size: int) -> int:
        return max_size + max(max_size // _SHARE, self._longest, _LEAST) + self._unused

    def make_room(
        self, max_size: int, read_at: Mapping[int, float] = NEVER, *, spare: int = 0
    ) -> None:
        """Forget chunks of what was removed where the file holds too much, but for ``spare`` bytes.

        ``read_at``: when this process has last read chunks of an entry.
        """
        most = self._most(max_size) - spare
        if self._held() <= most:
            return
        found = self._db.execute("SELECT entry FROM gone ORDER BY at LIMIT ?", (_BATCH,)).fetchall()
        for (ident,) in sorted(found, key=lambda row: read_at.get(row[0], 0.0)):
            self._forget(ident)
            if self._held() <= most:
                break

    def sweep(self, entries: int) -> None:
        """Forget what nobody reads any more. ``entries``: bytes that these cost."""
        now = self._wall()
        old = self._db.execute("SELECT entry FROM gone WHERE at < ?", (now - LINGER,))
        for (ident,) in old.fetchall():
            self._forget(ident)
        loose = self._db.execute(
            "SELECT entry, count(*), entry IN (SELECT entry FROM gone) FROM chunks "
            "WHERE entry NOT IN (SELECT id FROM entries) GROUP BY entry"
        )
        chunks = 0
        for ident, count, is_removed in loose.fetchall():
            if is_removed or began(ident) >= now - ORPHANED:
                chunks += count
            else:
                self._forget(ident)
        self._unused = max(0, self._held() - entries - chunks * PIECE)

    def _forget(self, ident: int) -> None:
        self._db.execute("DELETE FROM chunks WHERE entry = ?", (ident,))
        self._db.execute("DELETE FROM gone WHERE entry = ?", (ident,))

    def _held(self) -> int:
        """Bytes of the pages of the file in which something is."""
        numbers = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        pages, free, size = numbers
        return int((pages - free) * size)
