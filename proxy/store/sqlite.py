"""Replies in a file of SQLite, which survives a restart and which workers share.

The loop never waits for the disk: one thread writes, another one reads (`file`). What a store in
memory does at once happens in the order in which it was begun: a look-up of a key for which
something is still to be written waits for that. Whatever fails is a miss.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from proxy.core.clock import Clock, monotonic, never_back, wall
from proxy.core.samples import Sample, common_gauge, counter
from proxy.core.stored import NOT_KNOWN, Claim, Claims, Meta, Removal, StoreFailed
from proxy.policy.key_changes import Changes
from proxy.store.bodies import Bodies
from proxy.store.database import OVERHEAD, Database, Row, new_ident
from proxy.store.file import File
from proxy.store.file_claims import FileClaims
from proxy.store.invalidations import ALL, KEY, LABEL, Invalidations, hides
from proxy.store.parts import PartedEntry
from proxy.store.recent_entries import RecentEntries
from proxy.store.sqlite_writer import SqliteWriter
from proxy.store.whole import write_whole

_NOTE_EVERY: Final = 5.0
"""Seconds between two notes of which entries were used."""

_INVALID: Final[dict[str, Callable[[Database, bytes], int]]] = {
    KEY: Database.delete_all,
    LABEL: Database.purge,
    ALL: lambda database, _: database.clear(),
}
_encode: Final = msgspec.msgpack.Encoder().encode


class SqliteStore:
    """All entries of a file."""

    __slots__ = (
        "_bodies",
        "_claims",
        "_file",
        "_invalid",
        "_kept",
        "_last_ident",
        "_noted_at",
        "_recent",
        "_timeout",
        "_unwritten",
        "_used",
        "changes",
        "claims",
        "max_size",
        "now",
        "timeouts",
    )

    def __init__(self, path: Path, max_size: int, timeout: float) -> None:
        """``timeout``: seconds that a look-up may take, 0 for any time."""
        self._file = File(path)
        self.now: Clock = never_back(wall, monotonic)
        self.max_size = max_size
        self._timeout = timeout or None
        self._unwritten: Counter[bytes] = Counter()
        """Keys for which something is still to be written."""
        self._last_ident = 0
        self._recent = RecentEntries(self.chunk)
        self._used: dict[int, float] = {}
        self._kept: set[int] = set()
        self._noted_at = 0.0
        self.timeouts = 0
        self.changes = Changes()
        self._invalid = Invalidations(self._make_invalid, self._timeout, self.changes)
        self._claims = FileClaims(self._file, self.changes, self._timeout)
        self.claims: Claims = self._claims
        self._bodies = Bodies(self._file, self._claims, self._recent.read_at)

    def room_beside(self, meta: Meta) -> int:
        """Bytes of the longest body that fits into the file beside this head."""
        return self.max_size - OVERHEAD - len(_encode(meta))

    def resize(self, max_size: int) -> None:
        """Take this much from now on; what is too much goes when the next reply is stored."""
        self.max_size = max_size

    async def get(self, key: bytes) -> Sequence[PartedEntry]:
        """The replies under this key; NOT_KNOWN where the file cannot be read in time."""
        invalid = self._invalid.left  # before it is looked: what is made meanwhile was found so
        try:
            within = await self._written() if key in self._unwritten else self._timeout
            rows = await self._file.read(lambda db: db.find(key), within, same=key)
        except StoreFailed:
            return NOT_KNOWN
        except TimeoutError:
            self._note_late()
            return NOT_KNOWN
        entries = []
        now = wall()
        for row in rows:
            entry = self._recent.entry(row)
            if entry is None:  # of another version of the proxy
                continue
            if invalid and hides(invalid, key, entry.meta.labels):
                continue
            entries.append(entry)
            if not row.kept:
                self._kept.add(row.ident)
            self._used[row.ident] = now
        self._note()
        return entries

    async def _written(self) -> float | None:
        """Wait until all is written that was begun before; what is left of the timeout."""
        began = monotonic()
        await self._file.change(lambda _: None, self._timeout)
        return self._timeout and max(0.0, self._timeout - (monotonic() - began))

    def put(self, key: bytes, meta: Meta, claim: Claim | None = None) -> SqliteWriter:
        """Begin to store a reply."""
        self._last_ident = max(self._last_ident + 1, new_ident(wall()))
        return SqliteWriter(self, key, meta, self._last_ident, claim)

    def keep(
        self, key: bytes, meta: Meta, claim: Claim | None, whole: bytes, replaces: Sequence[bytes]
    ) -> bool:
        """Store a reply whose body is here."""
        return write_whole(self.put(key, meta, claim), whole, replaces)

    async def chunk(self, ident: int, number: int, first: bool) -> bytes:
        """One chunk of a body. Raises StoreFailed where it is gone; then the entry goes too."""
        self._recent.note_read(ident)
        try:
            within = self._timeout if first else None
            which = ident, number
            found = await self._file.read(lambda db: db.chunk(*which), within, same=which)
        except TimeoutError:
            self._note_late()
            raise StoreFailed("the file cannot be read in time") from None
        if found is None:
            self._file.begin(partial(self._file.write, lambda db: db.remove(ident)))
            raise StoreFailed("a part of it is not there")
        return found

    def _note_late(self) -> None:
        self.timeouts += 1
        self._file.say_late(self._timeout)

    def has_room(self, size: int) -> bool:
        """Whether so much more may wait for the disk."""
        return self._bodies.has_room(size)

    def write_chunk(self, ident: int, number: int, data: bytes) -> bool:
        """Have a chunk written; False where there is no room for it."""
        return self._bodies.write_chunk(ident, number, data, self.max_size)

    def add(
        self,
        key: bytes,
        row: Row,
        labels: Sequence[bytes],
        replaces: Sequence[bytes],
        claim: Claim | None,
    ) -> None:
        """Have an entry made visible."""
        old = [int.from_bytes(ident, "big") for ident in replaces]
        self._unwritten[key] += 1
        loop = asyncio.get_running_loop()
        most, read_at = self.max_size, self._recent.read_at

        def work(database: Database) -> bool:
            database.add(key, row, labels, old, max_size=most, claim=claim, read_at=read_at)
            return True

        def written() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._now_written, key)

        self._bodies.add(row, work, claim, written)

    def drop(self, ident: int) -> None:
        """Have the chunks of a body forgotten."""
        self._bodies.drop(ident)

    async def touch(self, key: bytes, ident: bytes, meta: Meta) -> None:
        """Give an entry another head."""
        number = int.from_bytes(ident, "big")
        await self._changed(lambda db: db.touch(number, _encode(meta)))

    async def delete(self, key: bytes, ident: bytes | None = None) -> None:
        """Remove one entry, or all under the key."""
        if ident is None:
            await self._invalid.make(KEY, key)
        else:
            number = int.from_bytes(ident, "big")
            await self._changed(lambda db: db.remove(number))

    async def purge(self, label: bytes, patience: float = 0.0) -> Removal:
        """Remove all entries with this label."""
        return await self._invalid.make(LABEL, label, patience)

    async def _make_invalid(self, kind: str, name: bytes, removal: Removal) -> bool:
        found = await self._file.change(lambda database: _INVALID[kind](database, name))
        removal.count += found or 0
        return found is not None

    async def _changed(self, change: Callable[[Database], object]) -> None:
        """Wait for a change; one that takes too long is made later."""
        try:
            await self._file.change(change, self._timeout, anyway=True)
        except TimeoutError:
            self._note_late()
        except StoreFailed:
            pass  # the file has said so; what stays as it was is no fault of the request

    async def close(self) -> None:
        """Write what is left, and give the file back."""
        await self._invalid.close()
        self._claims.close()
        self._note(at_once=True)
        await asyncio.get_running_loop().run_in_executor(None, self._file.close)

    def describe(self, _: float) -> Iterator[Sample]:
        """For operators."""
        database = self._file.writing
        if database is not None:
            yield common_gauge("store_entries", database.totals.entries)
            yield common_gauge("store_bytes", database.totals.bytes)
            yield counter("store_evicted", database.evicted)
        yield counter("store_failures", self._file.failures)
        yield counter("store_timeouts", self.timeouts)

    def _note(self, *, at_once: bool = False) -> None:
        """Have it written down now and then which entries were used."""
        now = monotonic()
        if not self._used or (not at_once and now < self._noted_at + _NOTE_EVERY):
            return
        self._noted_at = now
        used, self._used = self._used, {}
        kept, self._kept = self._kept, set()
        self._file.begin(partial(self._file.write, lambda db: db.use(used, kept)))

    def _now_written(self, key: bytes) -> None:
        self._unwritten[key] -= 1
        if self._unwritten[key] <= 0:
            del self._unwritten[key]
