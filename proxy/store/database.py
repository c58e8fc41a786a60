"""The file of the SQLite store: its tables, and what is done with them.

An entry is a row of ``entries``. It is written last, in one transaction with what it replaces, when
all chunks of its body are there; a short body stands in the row itself. So whatever is cut off in
the middle leaves chunks that no entry names, and never an entry without its body.

What is removed loses its row at once. Its chunks stay for a while (``removed``).
"""

import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from proxy.core.stored import MOST_VARIANTS, Claim
from proxy.store.agreements import Agreements
from proxy.store.ownership import closed, opened
from proxy.store.parts import PIECE
from proxy.store.removed import NEVER, SPARE, Removed
from proxy.store.seals import as_number, sealed, unsealed
from proxy.store.tables import prepare
from proxy.store.totals import Totals
from proxy.store.transaction import Transaction

BUSY: Final = 5.0
"""Seconds for which it waits for another process that writes."""
OVERHEAD: Final = 512
"""Bytes that an entry costs beyond its head and its body."""
_COUNT_EVERY: Final = 60.0
"""Seconds between two looks at all entries, where the totals say that there were too many: another
process with a larger ``max_size`` may have stored them."""
_BATCH: Final = 64
"""Entries that give way at a time."""
_FIND: Final = """
SELECT id, meta, size, kept, body, key FROM entries
WHERE id IN (SELECT id FROM entries WHERE key = ?) ORDER BY id DESC
"""
"""The key is read from the row: SQLite does not notice an index that leads to another one."""


class Row(NamedTuple):
    """An entry as it is found; ``body`` is None where it stands in chunks."""

    ident: int
    meta: bytes
    size: int
    kept: bool
    body: bytes | None


def new_ident(wall: float) -> int:
    """Told apart from those of all processes, and later ones are larger."""
    return (int(wall * 1_000_000) << 10) | secrets.randbits(10)


class Database:
    """One connection. Each thread has its own."""

    __slots__ = ("_counted_at", "_db", "_gone", "_mark", "_wall", "agreements", "evicted", "totals")

    def __init__(self, path: Path, wall: Callable[[], float] = time.time) -> None:
        """Raises sqlite3.Error or OSError where the file cannot be used."""
        self._wall = wall
        self._counted_at = 0.0
        self._db = sqlite3.connect(
            path, timeout=BUSY, isolation_level=None, check_same_thread=False
        )
        self._db.text_factory = bytes  # nothing of ours is text; what has become text is damage
        self.agreements = Agreements(self._db, wall)
        self.totals = Totals(self._db)
        self._gone = Removed(self._db, wall)
        self.evicted = 0
        try:
            prepare(self._db)
            self._mark = opened(path)
        except BaseException:
            self._db.close()
            raise

    def transaction(self) -> Transaction:
        """For what has to be done wholly or not at all, and changes no entries."""
        return Transaction(self._db)

    def _change(self) -> Transaction:
        """The same for what does."""
        return Transaction(self._db, self.totals)

    def close(self) -> None:
        """Give the file back."""
        self._db.close()
        closed(self._mark)

    def find(self, key: bytes) -> list[Row]:
        """The entries under a key, the last stored first."""
        return [_row(*columns, key=key) for columns in self._db.execute(_FIND, (key,))]

    def chunk(self, ident: int, place: int) -> bytes | None:
        """One chunk of a body; None where it is not there."""
        found = self._db.execute(
            "SELECT data FROM chunks WHERE entry = ? AND number = ?", (ident, place)
        ).fetchone()
        return None if found is None else unsealed(found[0], ident, place)

    def add_chunk(
        self,
        ident: int,
        place: int,
        data: bytes,
        *,
        max_size: int = 0,
        is_first: bool = False,
        read_at: Mapping[int, float] = NEVER,
    ) -> bool:
        """Write a chunk of a body whose entry follows. False where the file holds too much, unless
        the body ``is_first`` of those under way."""
        if max_size and self._gone.is_full(max_size):
            with self.transaction():
                self._gone.make_room(max_size, read_at, spare=SPARE)
            if not is_first and self._gone.is_full(max_size):
                return False
        self._db.execute(
            "INSERT INTO chunks VALUES (?, ?, ?)", (ident, place, sealed(data, ident, place))
        )
        return True

    def drop_chunks(self, ident: int) -> None:
        """Forget the chunks of a body that has not come to its end."""
        self._db.execute("DELETE FROM chunks WHERE entry = ?", (ident,))

    def add(
        self,
        key: bytes,
        row: Row,
        labels: Sequence[bytes],
        replaces: Sequence[int],
        *,
        max_size: int,
        claim: Claim | None = None,
        read_at: Mapping[int, float] = NEVER,
    ) -> None:
        """Make an entry visible, whose chunks are there, and give back the lease of its claim.

        What is too large, not whole, or invalidated after the claim was taken is forgotten.
        ``read_at``: when this process has last read chunks of an entry.
        """
        db = self._db
        cost = row.size + len(row.meta) + OVERHEAD
        body = None if row.body is None else sealed(row.body, row.ident)
        meta = sealed(row.meta, row.ident, row.size)
        with self._change():
            if claim is not None and claim.token:
                self.agreements.give_back(claim.name, claim.token)
            too_large = max_size and cost > max_size
            if too_large or not self._is_whole(row) or self._is_invalid(key, labels, claim):
                self.drop_chunks(row.ident)
                return
            for old in replaces:
                self._remove(old)
            db.execute(
                "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
                (row.ident, key, meta, row.size, cost, self._wall(), body),
            )
            db.executemany(
                "INSERT OR IGNORE INTO labels VALUES (?, ?)",
                [(label, row.ident) for label in labels],
            )
            for (old,) in db.execute(
                "SELECT id FROM entries WHERE key = ? ORDER BY id DESC LIMIT -1 OFFSET ?",
                (key, MOST_VARIANTS),
            ).fetchall():
                self._remove(old)
            self.totals.entries += 1
            self.totals.bytes += cost
            if max_size:
                self._make_room(max_size, cost)
                self._gone.has_come(cost)
                self._gone.make_room(max_size, read_at)

    def _make_room(self, max_size: int, new: int) -> None:
        """``new``: bytes of the entry that has just come; the others had room without it."""
        totals, now = self.totals, self._wall()
        if totals.bytes - new > max_size and not 0 <= now - self._counted_at < _COUNT_EVERY:
            self._counted_at = now
            totals.count()  # good entries would give way to a row that is wrong
        while totals.bytes > max_size:
            oldest = self._db.execute(
                "SELECT id FROM entries ORDER BY kept, used LIMIT ?", (_BATCH,)
            ).fetchall()
            if not oldest:
                totals.correct(0, 0)
                break
            for (old,) in oldest:
                if totals.bytes <= max_size:
                    break
                self._remove(old)
                self.evicted += 1

    def _is_whole(self, row: Row) -> bool:
        """Whether all its parts are in this file: another may have taken its place meanwhile."""
        if row.body is not None:
            return True
        counting = "SELECT count(*) FROM chunks WHERE entry = ?"
        (found,) = self._db.execute(counting, (row.ident,)).fetchone()
        return bool(found == -(-row.size // PIECE))

    def _is_invalid(self, key: bytes, labels: Sequence[bytes], claim: Claim | None) -> bool:
        if claim is None:
            return False
        return claim.order is None or self.agreements.is_invalid((key, *labels), claim.order)

    def touch(self, ident: int, meta: bytes) -> None:
        """Give an entry another head."""
        found = self._db.execute("SELECT size FROM entries WHERE id = ?", (ident,)).fetchone()
        if found is not None:
            head = sealed(meta, ident, as_number(found[0]))
            self._db.execute("UPDATE entries SET meta = ? WHERE id = ?", (head, ident))

    def use(self, times: dict[int, float], kept: set[int]) -> None:
        """Note when entries were used, and which ones were asked for again."""
        with self._change():
            self._db.executemany(
                "UPDATE entries SET used = ?, kept = max(kept, ?) WHERE id = ?",
                [(at, ident in kept, ident) for ident, at in times.items()],
            )
            # Those that were kept take four fifths of the room: the oldest are on trial again.
            (count,) = self._db.execute("SELECT count(*) FROM entries WHERE kept = 1").fetchone()
            surplus = count - max(1, self.totals.entries * 4 // 5)
            if surplus > 0:
                self._db.execute(
                    "UPDATE entries SET kept = 0 WHERE id IN "
                    "(SELECT id FROM entries WHERE kept = 1 ORDER BY used LIMIT ?)",
                    (surplus,),
                )

    def delete_all(self, key: bytes) -> int:
        """Remove all under a key, also those that are on their way there; how many there were."""
        with self._change():
            self.agreements.invalidated(key)
            found = self._db.execute("SELECT id FROM entries WHERE key = ?", (key,)).fetchall()
            for (each,) in found:
                self._remove(each)
        return len(found)

    def remove(self, ident: int) -> None:
        """Remove one entry."""
        with self._change():
            self._remove(ident)

    def purge(self, label: bytes) -> int:
        """Remove all entries with a label; how many there were. Also those on their way."""
        with self._change():
            self.agreements.invalidated(label)
            found = self._db.execute(
                "SELECT entry FROM labels WHERE label = ?", (label,)
            ).fetchall()
            for (each,) in found:
                self._remove(each)
        return len(found)

    def clear(self) -> int:
        """Remove all that is stored, also what is on its way; how many there were."""
        with self._change():
            self.agreements.all_invalidated()
            (found,) = self._db.execute("SELECT count(*) FROM entries").fetchone()
            self._gone.add_all()
            self._db.execute("DELETE FROM labels")
            self._db.execute("DELETE FROM entries")
            self.totals.correct(0, 0)
        return int(found)

    def _remove(self, ident: int) -> None:
        db = self._db
        found = db.execute("SELECT cost, body FROM entries WHERE id = ?", (ident,)).fetchone()
        if found is None:
            return
        self.totals.entries -= 1
        self.totals.bytes -= as_number(found[0])
        db.execute("DELETE FROM entries WHERE id = ?", (ident,))
        db.execute("DELETE FROM labels WHERE entry = ?", (ident,))
        if found[1] is None:
            self._gone.add(ident)

    def sweep(self) -> None:
        """Remove chunks that nobody reads and that belong to no entry, and correct the totals."""
        difference = self.totals.look()  # before it keeps others from writing
        with self._change():
            self.totals.apply(difference)
            self.agreements.sweep()
            self._gone.sweep(self.totals.bytes)


def _row(*columns: object, key: bytes) -> Row:
    id_, meta, size_, kept, body, stands = columns
    if stands != key:
        raise sqlite3.DatabaseError("its index leads to another entry")
    ident, size = as_number(id_), as_number(size_)
    whole = None if body is None else unsealed(body, ident)
    return Row(ident, unsealed(meta, ident, size), size, bool(kept), whole)
