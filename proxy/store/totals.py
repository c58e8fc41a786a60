"""How much a file of SQLite holds: a row that changes together with the entries.

So whoever stores something knows what all processes have stored, and what is too much gives way
once, not once for each process.

The table was added to files that have the others of the same version. A proxy of an earlier version
that shares the file leaves the row as it is: what differs is put right with each sweep. A row that
cannot be true is worked out again at once.

A look at all entries takes long (0.3 s for 50,000), so a sweep looks before it keeps others from
writing. What it finds is the difference between the row and the entries, which stays the same
whatever others store meanwhile, unless somebody else puts the row right. Hence the row says how
often that was done: a difference counts only if nobody has done it since.
"""

import sqlite3
from typing import Final, NamedTuple

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS totals (
    id INTEGER PRIMARY KEY, entries INTEGER NOT NULL, bytes INTEGER NOT NULL,
    corrections INTEGER NOT NULL);
INSERT OR IGNORE INTO totals SELECT 1, count(*), coalesce(sum(cost), 0), 0 FROM entries
"""


class Difference(NamedTuple):
    """How many more entries and bytes there are than the row says."""

    entries: int
    bytes: int
    corrections: int
    """Corrections in the row that was read."""


class Totals:
    """The row, by one connection: as it was found last, with what has changed since."""

    __slots__ = ("_corrections", "_db", "_found", "_seen", "bytes", "entries")

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._found = (0, 0, 0)
        self.entries = self.bytes = self._corrections = 0
        self._seen = -1
        """The corrections of the row after the last sweep of this connection."""

    def read(self) -> None:
        """Find out how much there is, at the start of a transaction."""
        row = self._db.execute("SELECT entries, bytes, corrections FROM totals").fetchone()
        if row is not None and all(type(each) is int and each >= 0 for each in row):
            self._found = self.entries, self.bytes, self._corrections = row
            return
        self._db.execute("INSERT OR REPLACE INTO totals VALUES (1, 0, 0, 0)")
        self._found = (0, 0, 0)
        self._corrections = max(0, row[2]) if row and type(row[2]) is int else 0
        self.count()

    def write(self) -> None:
        """Write what has changed, at its end."""
        if self.entries < 0 or self.bytes < 0:  # what nobody had counted is gone
            self.count()
        now = self.entries, self.bytes, self._corrections
        if self._found != now:
            self._db.execute("UPDATE totals SET entries = ?, bytes = ?, corrections = ?", now)

    def count(self) -> None:
        """Look at all entries, within a transaction. Raises DatabaseError where one is damaged."""
        found = self._db.execute("SELECT count(*), coalesce(sum(cost), 0) FROM entries").fetchone()
        self.correct(*_numbers(*found))

    def correct(self, entries: int, size: int) -> None:
        """So much there is, whatever the row said."""
        self.entries, self.bytes = entries, size
        self._corrections += 1

    def look(self) -> Difference | None:
        """What is wrong with the row, before a transaction. It looks at all entries.

        None where another connection has put it right since the last sweep of this one.
        """
        if self._seen >= 0:
            row = self._db.execute("SELECT corrections FROM totals").fetchone()
            if row is not None and row[0] != self._seen:
                return None
        return self.difference()

    def apply(self, found: Difference | None) -> None:
        """Put the row right, within a transaction, unless somebody has done it since the look."""
        if found is not None and found.corrections == self._corrections:
            self.correct(self.entries + found.entries, self.bytes + found.bytes)
        self._seen = self._corrections

    def difference(self) -> Difference:
        """How far the row is from the entries. It looks at all of them at one moment.

        Raises DatabaseError where one of them is damaged.
        """
        entries, size, *row = self._db.execute(
            "SELECT count(*), coalesce(sum(cost), 0), (SELECT entries FROM totals), "
            "(SELECT bytes FROM totals), (SELECT corrections FROM totals) FROM entries"
        ).fetchone()
        entries, size = _numbers(entries, size)
        if all(type(each) is int for each in row):
            return Difference(entries - row[0], size - row[1], row[2])
        return Difference(entries, size, -1)  # the next transaction works it out again


def _numbers(entries: object, size: object) -> tuple[int, int]:
    if type(entries) is int and type(size) is int and size >= 0:
        return entries, size
    raise sqlite3.DatabaseError("it does not say how much it holds")
