"""Stored replies, and what a store of them can do.

A reply is stored under a key, which stands for what was asked for. There are several under one key
where they vary; each has an ``ident`` of its own. Nothing of a reply can be found before its last
byte has been written.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

import msgspec

from proxy.core.clock import Clock
from proxy.core.samples import Sample
from proxy.policy.freshness import Freshness
from proxy.policy.key_changes import Changes

MOST_VARIANTS: Final = 64
"""Entries under one key; beyond it the oldest gives way. What names what varies is a client."""


class Meta(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """All of a stored reply but its body.

    Tuples, since Python's collector soon leaves alone those that hold nothing of its concern: it
    would look at all lists of all entries, and stop the loop meanwhile.
    """

    status: int
    reason: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    """End-to-end fields, Age excluded, Date included."""
    freshness: Freshness
    vary: tuple[tuple[bytes, bytes | None], ...]
    """Names of the fields that select it, and what its request said in them."""
    owner: bytes
    """Digest of the cookies and the like of its request; empty for none."""
    public: bool
    """Whether it answers requests of other owners."""
    authorized: bool
    """Whether it answers requests with Authorization."""
    labels: tuple[bytes, ...]
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

    async def read(self, position: int, *, first: bool = False) -> bytes:
        """Some bytes of its body from ``position`` on; ``b""`` at its end.

        ``first``: nothing of the reply has been sent, so that a store that is slow has failed. Else
        it is waited for: the reply would be cut.
        Raises StoreFailed where the store has lost it.
        """


class Removal:
    """What the removal of all that has a label has come to."""

    __slots__ = ("complete", "count")

    def __init__(self, count: int = 0, *, complete: bool = False) -> None:
        self.count = count
        """Entries that were removed so far."""
        self.complete = complete
        """Whether that is all; if not, it goes on."""


class Claim:
    """What is kept of a request for a key that is under way: when it began, and a lease.

    A reply may not be stored if its key or one of its labels was invalidated after its request
    began. ``since`` says when that was among the changes that this process knows of (`Changes`),
    ``order`` among those of all processes that share the store. A lease asks other processes to
    wait for the reply, see `Claims`.
    """

    __slots__ = ("held_by", "name", "order", "since", "token")

    def __init__(self, since: int, name: bytes = b"") -> None:
        self.since = since
        self.name = name
        """Of the lease; empty where none is wanted."""
        self.order: int | None = None
        """None where the store could not say it: then nothing is stored."""
        self.token = b""
        """Proves that the lease is ours; empty where it is not."""
        self.held_by = b""
        """The token of the process that has the lease."""


class Claims(Protocol):
    """Requests under way, of all processes that share a store.

    A lease lasts for `LEASE` seconds from when it was taken or renewed last. It is given back by
    what stores the reply, at the moment at which that can be found, or by ``give_back``.
    """

    shared: bool
    """Whether other processes may use the store."""

    async def take(self, name: bytes = b"") -> Claim:
        """Note that a request begins; with the lease of this name, where nobody has it.

        It never fails: where the store does, there is no lease, and ``order`` may be None.
        """

    def take_later(self) -> Claim:
        """Note that a request begins, without a lease; nobody waits for that.

        For a store that has just not answered. There is an ``order`` when it has said it, if it
        can say later what came before.
        """

    async def holder(self, name: bytes) -> bytes:
        """The token of who has this lease; empty for nobody, and where the store fails."""

    def renew(self, claim: Claim) -> None:
        """Have the lease last from now on, if it is still ours. Nobody waits for it."""

    def give_back(self, claim: Claim) -> None:
        """Let others take the lease. Nobody waits for it."""


LEASE: Final = 10.0
"""Seconds for which other processes wait for one that says nothing any more."""


class Writer(Protocol):
    """One reply that is being stored. Exactly one of ``commit`` and ``abort`` ends it.

    Both give back the lease of its claim.
    """

    def write(self, data: bytes) -> bool:
        """Take the next bytes of the body; False where the store has no room for them."""

    def commit(self, replaces: Sequence[bytes] = ()) -> None:
        """The body has ended: make it visible, in the place of the entries of these idents.

        Not if its key or one of its labels was invalidated after its claim was taken.
        """

    def abort(self) -> None:
        """Forget it."""


class StoreFailed(Exception):
    """The store cannot do its work: a miss, never the end of a request."""


NOT_KNOWN: Final[Sequence[Any]] = range(0)
"""What a store finds that fails: nothing, but it does not say that there is nothing. Compared by
its identity."""
UNANSWERED: Final[Sequence[Any]] = range(0)
"""The same of one that has not answered in time, and would not answer the next question either."""


class Store(Protocol):
    """Keeps replies."""

    changes: Changes
    """What this process has changed."""
    claims: Claims
    max_size: int
    """Bytes that it takes at the most; 0 for no bound that is known here."""
    now: Clock
    """The time by which what it keeps grows old, for all that share it: seconds since 1970."""

    async def get(self, key: bytes) -> Sequence[Entry]:
        """The replies under this key, the last stored first.

        NOT_KNOWN or UNANSWERED where the store fails.
        """

    def put(self, key: bytes, meta: Meta, claim: Claim | None = None) -> Writer:
        """Begin to store a reply to a request that began with this claim."""

    def keep(
        self, key: bytes, meta: Meta, claim: Claim | None, whole: bytes, replaces: Sequence[bytes]
    ) -> bool:
        """Store a reply whose body is here, as a writer does; False where there is no room."""

    async def touch(self, key: bytes, ident: bytes, meta: Meta) -> None:
        """Give an entry another head."""

    async def delete(self, key: bytes, ident: bytes | None = None) -> None:
        """Remove one entry, or all under the key, also those that are on their way there."""

    async def purge(self, label: bytes, patience: float = 0.0) -> Removal:
        """Remove all entries with this label, also those that are on their way.

        ``patience``: seconds for which it is waited for at least, where that takes long.
        """

    def room_beside(self, meta: Meta) -> int:
        """Bytes of the longest body that fits into ``max_size`` beside this head."""

    def resize(self, max_size: int) -> None:
        """Take this many bytes from now on; 0 for no bound."""

    async def close(self) -> None:
        """Let go of everything that it holds."""

    def describe(self, now: float) -> Iterator[Sample]:
        """For operators."""
