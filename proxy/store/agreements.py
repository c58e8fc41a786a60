"""What processes that share a file of SQLite tell each other: what was invalidated, and leases.

Invalidations have numbers that grow. A request under way notes the last number there is; its reply
is not stored if its key or one of its labels has a higher one. They are forgotten after an hour,
or when there are too many. The highest number that is forgotten stands under the empty name, and
counts for every key.

The tables were added to files that have others of the same version: a proxy of that version does
not look at them.
"""

import secrets
import sqlite3
from collections.abc import Callable, Container, Sequence
from typing import Final

from proxy.core.stored import LEASE
from proxy.store.seals import as_number

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS changes (
    number INTEGER PRIMARY KEY AUTOINCREMENT, name BLOB NOT NULL UNIQUE, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS leases (
    name BLOB PRIMARY KEY, token BLOB NOT NULL, until REAL NOT NULL) WITHOUT ROWID
"""
_REMEMBERED: Final = 3600.0
_MOST: Final = 100_000
_FORGOTTEN: Final = b""
_TRIED: Final = 16 << 10
"""Bytes of a lease of nobody: as many pages as the end of some hundred leases changes."""


class Agreements:
    """The tables, by one connection. What changes something is done within a transaction."""

    __slots__ = ("_db", "_wall")

    def __init__(self, db: sqlite3.Connection, wall: Callable[[], float]) -> None:
        self._db = db
        self._wall = wall

    def now(self) -> int:
        """The number of the last invalidation."""
        found = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'changes'")
        row = found.fetchone()
        return 0 if row is None else as_number(row[0])

    def invalidated(self, name: bytes) -> None:
        """What is stored under this key or with this label is wrong, also what is on its way."""
        self._db.execute(
            "INSERT OR REPLACE INTO changes (name, at) VALUES (?, ?)", (name, self._wall())
        )

    def all_invalidated(self) -> None:
        """All that is stored is wrong, also what is on its way."""
        self.invalidated(_FORGOTTEN)

    def is_invalid(self, names: Sequence[bytes], since: int) -> bool:
        """Whether a reply with this key and these labels is, whose request began at ``since``."""
        for name in (*names, _FORGOTTEN):
            found = self._db.execute("SELECT number FROM changes WHERE name = ?", (name,))
            row = found.fetchone()
            if row is not None and as_number(row[0]) > since:
                return True
        return False

    def take(self, name: bytes, token: bytes, ended: Container[bytes] = ()) -> bytes:
        """Have the lease where nobody has it; the token of who has it now.

        ``ended``: tokens that nobody has any more, whatever stands here.
        """
        holder = self.holder(name)
        if holder and holder not in ended:
            return holder
        self._db.execute(
            "INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", (name, token, self._wall() + LEASE)
        )
        return token

    def holder(self, name: bytes) -> bytes:
        """The token of who has the lease; empty for nobody."""
        row = self._db.execute("SELECT token, until FROM leases WHERE name = ?", (name,)).fetchone()
        if row is None:
            return b""
        token, until = row
        if type(token) is not bytes or type(until) is not float:
            raise sqlite3.DatabaseError("a lease of its is none")
        # One that lasts longer than a lease can was taken before the time of day was set back.
        return token if 0 < until - self._wall() <= LEASE else b""

    def renew(self, name: bytes, token: bytes) -> None:
        """Have the lease last from now on, if this is its token."""
        self._db.execute(
            "UPDATE leases SET until = ? WHERE name = ? AND token = ?",
            (self._wall() + LEASE, name, token),
        )

    def give_back(self, name: bytes, token: bytes) -> None:
        """Let others take the lease, if this is its token."""
        self._db.execute("DELETE FROM leases WHERE name = ? AND token = ?", (name, token))

    def give_all_back(self, owner: bytes) -> None:
        """Let others take all leases whose tokens begin so."""
        self._db.execute("DELETE FROM leases WHERE substr(token, 1, ?) = ?", (len(owner), owner))

    def try_to_write(self, owner: bytes) -> None:
        """Write as much as the end of leases takes; the next sweep forgets it."""
        tried = secrets.token_bytes(_TRIED)
        self._db.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", (owner, tried, 0.0))

    def sweep(self) -> None:
        """Forget what is too old to matter."""
        now = self._wall()
        self._db.execute("DELETE FROM leases WHERE until < ? OR until > ?", (now, now + LEASE))
        (last,) = self._db.execute(
            "SELECT coalesce(max(number), 0) FROM changes "
            "WHERE name != ? AND (at < ? OR number <= ?)",
            (_FORGOTTEN, now - _REMEMBERED, self.now() - _MOST),
        ).fetchone()
        if last:
            self._db.execute("DELETE FROM changes WHERE number <= ?", (last,))
            self._db.execute(
                "INSERT OR REPLACE INTO changes VALUES (?, ?, ?)", (last, _FORGOTTEN, now)
            )
