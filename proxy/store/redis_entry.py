"""An entry in Redis: what stands for it there, and how it is read."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeAlias
from urllib.parse import quote

import msgspec

from proxy.core.stored import Meta
from proxy.store.parts import PartedEntry
from proxy.store.seals import intact, sealed

ReadAnyPart: TypeAlias = Callable[[bytes, int, bool], Awaitable[bytes]]
"""Gives a part of a body by ident and number; see ``parts.ReadPart``."""

_PREFIX: Final = b"sidecar-proxy:2:"
"""With the version of what stands there: sets of labels have had another type."""
_VALIDATED_FOR: Final = 24 * 3600.0
LONGEST: Final = 30 * 24 * 3600.0
"""Seconds for which an entry may be kept."""
SPARE: Final = 3600
"""Seconds for which what belongs to an entry outlasts it, its parts and its places in the sets of
its labels: clocks of machines differ, and clients are slow."""


class Kept(msgspec.Struct, array_like=True):
    """What stands in a field of the hash."""

    at: float
    meta: Meta
    size: int
    body: bytes | None
    until: float = 0.0
    """When the entry ends, in seconds since 1970; 0 where an earlier version has written it.

    The hash lasts as long as its longest entry, so an entry does not go with its parts.
    """

    def has_ended(self, now: float) -> bool:
        """Whether it cannot be of use any more."""
        return now > (self.until or self.at + lasts_for(self.meta))


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Kept).decode


def encode(kept: Kept, key: bytes, ident: bytes) -> bytes:
    """What stands under this key, in the field with this ident."""
    return sealed(_encode(kept), key, ident)


def decode(text: bytes, key: bytes, ident: bytes) -> Kept | None:
    """The same; None of what is damaged, or of another version of the proxy."""
    try:
        found = intact(text, key, ident)
        return None if found is None else _decode(found)
    except msgspec.DecodeError:
        return None


class RedisEntry(PartedEntry):
    """A reply whose body is in Redis, or here where it is short."""

    __slots__ = ("at",)

    def __init__(self, ident: bytes, kept: Kept, part: ReadAnyPart) -> None:
        super().__init__(ident, kept.meta, kept.size, kept.body, partial(part, ident))
        self.at = kept.at


class Names:
    """The keys in Redis. Those of different namespaces never meet."""

    __slots__ = ("prefix",)

    def __init__(self, namespace: str) -> None:
        self.prefix = _PREFIX + (quote(namespace, safe="").encode() + b":" if namespace else b"")

    def entries(self, key: bytes) -> bytes:
        """Of the hash with the entries of a key."""
        return self.prefix + b"k" + key

    @property
    def all_entries(self) -> bytes:
        """A pattern for the hashes of all keys, which are 16 bytes long."""
        return self.entries(b"?" * 16)

    def part(self, ident: bytes, number: int) -> bytes:
        """Of a part of a body."""
        return b"%bb%b:%d" % (self.prefix, ident, number)

    def members(self, label: bytes) -> bytes:
        """Of the set of the entries with a label."""
        return self.prefix + b"l" + label

    def purged(self, label: bytes) -> bytes:
        """Of what says when a label was purged."""
        return self.prefix + b"g" + label

    def lease(self, name: bytes) -> bytes:
        """Of a lease."""
        return self.prefix + b"w" + name


def lasts_for(meta: Meta) -> int:
    """Seconds for which an entry can be of use: fresh, stale within its bounds, or validated."""
    fresh = meta.freshness
    stale = max(fresh.if_error, fresh.while_revalidate, _VALIDATED_FOR)
    return int(min(max(0.0, fresh.lifetime) + stale, LONGEST)) + 1


def newest_first(entry: RedisEntry) -> tuple[float, bytes]:
    """What entries of one key are sorted by."""
    return -entry.at, entry.ident
