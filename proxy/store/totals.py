"""How much a file of SQLite holds: a row that changes together with the entries.

So whoever stores something knows what all processes have stored, and what is too much gives way
once, not once for each process.

The table was added to files that have the others of the same version. A proxy of an earlier version
that shares the file leaves the row as it is: what differs is put right with each sweep.
"""

import sqlite3
from typing import Final

from proxy.store.seals import as_number

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS totals (
    id INTEGER PRIMARY KEY, entries INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT OR IGNORE INTO totals SELECT 1, count(*), coalesce(sum(cost), 0) FROM entries
"""


class Totals:
    """The row, by one connection: as it was found last, with what has changed since."""

    __slots__ = ("_db", "_found", "bytes", "entries")

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._found = (0, 0)
        self.entries = self.bytes = 0

    def read(self) -> None:
        """Find out how much there is, at the start of a transaction."""
        row = self._db.execute("SELECT entries, bytes FROM totals").fetchone()
        if row is None:
            raise sqlite3.DatabaseError("it does not say how much it holds")
        self._found = self.entries, self.bytes = as_number(row[0]), as_number(row[1])

    def write(self) -> None:
        """Write what has changed, at its end."""
        # What nobody had counted may be gone.
        self.entries, self.bytes = now = max(0, self.entries), max(0, self.bytes)
        if self._found != now:
            self._db.execute("UPDATE totals SET entries = ?, bytes = ?", now)

    def difference(self) -> tuple[int, int]:
        """How many more entries and bytes there are than the row says. It looks at all of them."""
        more, larger = self._db.execute(
            "SELECT count(*) - (SELECT entries FROM totals), "
            "coalesce(sum(cost), 0) - (SELECT bytes FROM totals) FROM entries"
        ).fetchone()
        if type(more) is int and type(larger) is int:
            return more, larger
        raise sqlite3.DatabaseError("it does not say how much it holds")
