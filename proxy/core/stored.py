"""Stored replies, and what a store of them can do.

A reply is stored under a key, which stands for what was asked for. There are several under one key
where they vary; each has an ``ident`` of its own. Nothing of a reply can be found before its last
byte has been written.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from proxy.core.samples import Sample
from proxy.policy.freshness import Freshness


class Meta(msgspec.Struct, array_like=True, frozen=True):
    """All of a stored reply but its body."""

    status: int
    reason: bytes
    fields: list[tuple[bytes, bytes]]
    """End-to-end fields, Age excluded, Date included."""
    freshness: Freshness
    vary: list[tuple[bytes, bytes | None]]
    """Names of the fields that select it, and what its request said in them."""
    owner: bytes
    """Digest of the cookies and the like of its request; empty for none."""
    public: bool
    """Whether it answers requests of other owners."""
    authorized: bool
    """Whether it answers requests with Authorization."""
    labels: list[bytes]
    """Digests of path, route and tags: what it is purged by."""
    pace: list[tuple[int, float]]
    """Of a stream of events that is replayed as it came: the position of each chunk, and seconds
    from the head to it."""


class Entry(Protocol):
    """One stored reply."""

    @property
    def ident(self) -> bytes:
        """Which one it is."""

    @property
    def meta(self) -> Meta:
        """Its head."""

    shown: object
    """What its last answer was made of, for the next one; None at first."""

    @property
    def size(self) -> int:
        """Bytes of its body."""

    @property
    def whole(self) -> bytes | None:
        """Its body where that is short and in memory."""

    async def read(self, position: int) -> bytes:
        """Some bytes of its body from ``position`` on; ``b""`` at its end.

        Raises StoreFailed where the store has lost it.
        """


class Writer(Protocol):
    """One reply that is being stored. Exactly one of ``commit`` and ``abort`` ends it."""

    def write(self, data: bytes) -> bool:
        """Take the next bytes of the body; False where the store has no room for them."""

    def commit(self, replaces: Sequence[bytes] = ()) -> None:
        """The body has ended: make it visible, in the place of the entries of these idents."""

    def abort(self) -> None:
        """Forget it."""


class StoreFailed(Exception):
    """The store cannot do its work: a miss, never the end of a request."""


class Store(Protocol):
    """Keeps replies."""

    async def get(self, key: bytes) -> Sequence[Entry]:
        """The replies under this key, the last stored first. None where the store fails."""

    def put(self, key: bytes, meta: Meta) -> Writer:
        """Begin to store a reply."""

    async def touch(self, key: bytes, ident: bytes, meta: Meta) -> None:
        """Give an entry another head."""

    async def delete(self, key: bytes, ident: bytes | None = None) -> None:
        """Remove one entry, or all under the key."""

    async def purge(self, label: bytes) -> int:
        """Remove all entries with this label; how many there were."""

    def resize(self, max_size: int) -> None:
        """Take this many bytes from now on; 0 for no bound."""

    async def close(self) -> None:
        """Let go of everything that it holds."""

    def describe(self, now: float) -> Iterator[Sample]:
        """For operators."""
