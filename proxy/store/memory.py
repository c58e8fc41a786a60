"""Replies in the memory of the process.

Which entry gives way when there is no room: new ones are on trial, and those that were asked for
again are kept. The kept ones take four fifths of the room at most. Those on trial give way first,
the least recently used one of them before the others. So a crawler that asks for everything once
does not drive out what others ask for.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final

from proxy.core.clock import Clock, monotonic, never_back, wall
from proxy.core.samples import Sample, counter, gauge
from proxy.core.stored import MOST_VARIANTS, Claim, Claims, Meta, Removal
from proxy.policy.key_changes import Changes
from proxy.store.memory_entry import SHORT, MemoryEntry, cost_of, memory_entry
from proxy.store.own_claims import OwnClaims
from proxy.store.whole import write_whole

_AT_A_TIME: Final = 500
"""Entries that are purged before others have their turn."""
_KEPT_SHARE: Final = 0.8


class MemoryWriter:
    """A reply that is being stored."""

    __slots__ = ("_claim", "_key", "_meta", "_pending", "_pieces", "_store", "size")

    def __init__(self, store: "MemoryStore", key: bytes, meta: Meta, claim: Claim | None) -> None:
        self._store = store
        self._claim = claim
        self._key = key
        self._meta = meta
        self._pieces: list[bytes] = []
        self._pending: bytes | bytearray = b""
        self.size = 0

    def write(self, data: bytes) -> bool:
        """Take the next bytes, in pieces of one length; tiny chunks would cost much more."""
        size = len(data)
        if not self._store.reserve(size):
            return False
        self.size += size
        if self.size <= SHORT and not self._pending:
            self._pending = data  # most bodies are one chunk, which is not copied
            return True
        pending = self._pending
        if isinstance(pending, bytes):
            pending = self._pending = bytearray(pending)
        pending += data
        while len(pending) >= SHORT:
            self._pieces.append(bytes(pending[:SHORT]))
            del pending[:SHORT]
        return True

    def commit(self, replaces: Sequence[bytes] = ()) -> None:
        """Make it visible."""
        pieces, pending = self._pieces, self._pending
        if pending:
            pieces = [*pieces, bytes(pending)]
        store, claim, names = self._store, self._claim, (self._key, *self._meta.labels)
        store.writing -= self.size
        if claim is None or not store.changes.is_invalid(names, claim.since):
            store.add(self._key, self._meta, pieces, self.size, replaces)

    def abort(self) -> None:
        """Forget it."""
        self._store.writing -= self.size
        self._pieces.clear()


class MemoryStore:
    """All entries, by their keys."""

    __slots__ = (
        "_kept",
        "_kept_cost",
        "_keys",
        "_labels",
        "_stored",
        "_trial",
        "_trial_cost",
        "changes",
        "claims",
        "evicted",
        "max_size",
        "now",
        "writing",
    )

    def __init__(self, max_size: int, clock: Clock = monotonic) -> None:
        """``max_size`` in bytes; 0 for no bound."""
        self.max_size = max_size or 1 << 62
        self._keys: dict[bytes, MemoryEntry | list[MemoryEntry]] = {}
        """Most stand for one entry alone; of several, the last stored is the first."""
        self._labels: dict[bytes, MemoryEntry | dict[bytes, MemoryEntry]] = {}
        """Most stand for one entry alone."""
        self._trial: OrderedDict[bytes, MemoryEntry] = OrderedDict()
        self._kept: OrderedDict[bytes, MemoryEntry] = OrderedDict()
        self._trial_cost = self._kept_cost = 0
        self.writing = 0
        """Bytes of what is being stored."""
        self._stored = 0
        """How many ever were: the ident of the last one."""
        self.evicted = 0
        self.now = never_back(wall, clock)
        self.changes = Changes()
        self.claims: Claims = OwnClaims(self.changes)

    def resize(self, max_size: int) -> None:
        """Take this much from now on."""
        self.max_size = max_size or 1 << 62
        self._make_room()

    async def get(self, key: bytes) -> Sequence[MemoryEntry]:
        """The replies under this key; what is asked for counts as used."""
        if key not in self._keys:  # without a call, which each hit would pay for
            return ()
        found = self._keys[key]
        entries = found if isinstance(found, list) else (found,)
        for entry in entries:
            if entry.kept:
                self._kept.move_to_end(entry.ident)
            else:
                self._keep(entry)
        return entries

    def put(self, key: bytes, meta: Meta, claim: Claim | None = None) -> MemoryWriter:
        """Begin to store a reply."""
        return MemoryWriter(self, key, meta, claim)

    def keep(
        self, key: bytes, meta: Meta, claim: Claim | None, whole: bytes, replaces: Sequence[bytes]
    ) -> bool:
        """Store a reply whose body is here."""
        size = len(whole)
        if size > SHORT:
            return write_whole(self.put(key, meta, claim), whole, replaces)
        if self.writing + size > self.max_size:
            return False
        changes = self.changes
        if (
            claim is None
            or changes.none_invalid
            or not changes.is_invalid((key, *meta.labels), claim.since)
        ):
            self.add(key, meta, [whole], size, replaces)
        return True

    def room_beside(self, meta: Meta) -> int:
        """Bytes of the longest body that fits in beside this head."""
        return self.max_size - cost_of(meta, 0)

    def reserve(self, size: int) -> bool:
        """Whether there is room for what is being stored; what is stored may give way to it."""
        if self.writing + size > self.max_size:
            return False
        self.writing += size
        if self._trial_cost + self._kept_cost + self.writing > self.max_size:
            self._make_room()
        return True

    def add(
        self, key: bytes, meta: Meta, pieces: list[bytes], size: int, replaces: Sequence[bytes]
    ) -> None:
        """Store a whole reply of this size in the place of those with the idents ``replaces``."""
        if replaces:
            for old in [old for old in self._under(key) if old.ident in replaces]:
                self._remove(old)
        self._stored += 1
        entry = memory_entry(key, self._stored.to_bytes(8, "big"), meta, pieces, size)
        if entry.cost > self.max_size:
            return
        if key not in self._keys:
            self._keys[key] = entry
        else:
            entries = self._keys[key] = [entry, *self._under(key)]
            if len(entries) > MOST_VARIANTS:
                self._remove(entries[-1])
        self._trial[entry.ident] = entry
        self._trial_cost += entry.cost
        labels = self._labels
        for label in meta.labels:
            if label not in labels:
                labels[label] = entry
            elif isinstance(other := labels[label], dict):
                other[entry.ident] = entry
            else:
                labels[label] = {other.ident: other, entry.ident: entry}
        if self._trial_cost + self._kept_cost + self.writing > self.max_size:
            self._make_room()

    async def touch(self, key: bytes, ident: bytes, meta: Meta) -> None:
        """Give an entry another head."""
        for entry in self._under(key):
            if entry.ident == ident:
                entry.meta, entry.shown = meta, None
                new = cost_of(meta, entry.size)
                if entry.kept:
                    self._kept_cost += new - entry.cost
                else:
                    self._trial_cost += new - entry.cost
                entry.cost = new

    async def delete(self, key: bytes, ident: bytes | None = None) -> None:
        """Remove one entry, or all under the key."""
        if ident is None:
            self.changes.invalidated(key)
        for entry in list(self._under(key)):
            if ident is None or entry.ident == ident:
                self._remove(entry)

    async def purge(self, label: bytes, patience: float = 0.0) -> Removal:
        """Remove all entries with this label."""
        self.changes.invalidated(label)
        labelled = self._labels.get(label)
        if labelled is None:
            return Removal(complete=True)
        if isinstance(labelled, MemoryEntry):
            self._remove(labelled)
            return Removal(1, complete=True)
        removed = 0
        for number, entry in enumerate(list(labelled.values()), 1):
            if entry.ident in self._trial or entry.ident in self._kept:  # else somebody else has
                self._remove(entry)
                removed += 1
            if not number % _AT_A_TIME:
                await asyncio.sleep(0)
        return Removal(removed, complete=True)

    async def close(self) -> None:
        """Forget everything."""
        self._keys.clear()
        self._labels.clear()
        self._trial.clear()
        self._kept.clear()
        self._trial_cost = self._kept_cost = 0

    def describe(self, _: float) -> Iterator[Sample]:
        """For operators."""
        yield gauge("store_entries", len(self._trial) + len(self._kept))
        yield gauge("store_bytes", self._trial_cost + self._kept_cost)
        yield counter("store_evicted", self.evicted)

    def _under(self, key: bytes) -> Sequence[MemoryEntry]:
        found = self._keys.get(key, ())
        return found if isinstance(found, list | tuple) else (found,)

    def _keep(self, entry: MemoryEntry) -> None:
        del self._trial[entry.ident]
        self._trial_cost -= entry.cost
        entry.kept = True
        self._kept[entry.ident] = entry
        self._kept_cost += entry.cost
        while self._kept_cost > self.max_size * _KEPT_SHARE and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)  # once more on trial
            self._kept_cost -= oldest.cost
            oldest.kept = False
            self._trial[oldest.ident] = oldest
            self._trial_cost += oldest.cost

    def _make_room(self) -> None:
        while self._trial_cost + self._kept_cost + self.writing > self.max_size:
            group = self._trial or self._kept
            if not group:
                return
            self.evicted += 1
            self._remove(next(iter(group.values())))

    def _remove(self, entry: MemoryEntry) -> None:
        if entry.kept:
            del self._kept[entry.ident]
            self._kept_cost -= entry.cost
        else:
            del self._trial[entry.ident]
            self._trial_cost -= entry.cost
        entries = self._keys[entry.key]
        if isinstance(entries, list):
            entries.remove(entry)
            if len(entries) == 1:
                self._keys[entry.key] = entries[0]
        else:
            del self._keys[entry.key]
        for label in entry.meta.labels:
            labelled = self._labels[label]
            if labelled is entry:
                del self._labels[label]
            elif isinstance(labelled, dict):
                labelled.pop(entry.ident, None)
                if not labelled:
                    del self._labels[label]
