"""An entry in Redis: what stands for it there, and how it is read."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import msgspec

from proxy.core.stored import Meta

ReadPart: TypeAlias = Callable[[bytes, int], Awaitable[bytes]]
"""Gives a part of a body by ident and number."""

PIECE: Final = 64 << 10
"""Bytes of a part; a body that is no longer stands beside its head."""
PREFIX: Final = b"sidecar-proxy:1:"
_VALIDATED_FOR: Final = 24 * 3600.0
LONGEST: Final = 30 * 24 * 3600.0
"""Seconds for which an entry may be kept."""


class Kept(msgspec.Struct, array_like=True):
    """What stands in a field of the hash."""

    at: float
    meta: Meta
    size: int
    body: bytes | None


encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder(Kept).decode


class RedisEntry:
    """A reply whose body is in Redis, or here where it is short."""

    __slots__ = ("_part", "at", "ident", "meta", "shown", "size", "whole")

    def __init__(self, ident: bytes, kept: Kept, part: ReadPart) -> None:
        self._part = part
        self.ident = ident
        self.at = kept.at
        self.meta = kept.meta
        self.size = kept.size
        self.whole = kept.body
        self.shown: object = None

    async def read(self, position: int) -> bytes:
        """Some bytes from ``position`` on. Raises StoreFailed where they are not there."""
        if position >= self.size:
            return b""
        if self.whole is not None:
            return self.whole[position:]
        number, offset = divmod(position, PIECE)
        return (await self._part(self.ident, number))[offset:]


def part_name(ident: bytes, number: int) -> bytes:
    """The key of a part of a body."""
    return b"%bb%b:%d" % (PREFIX, ident, number)


def lasts_for(meta: Meta) -> int:
    """Seconds for which an entry can be of use: fresh, stale within its bounds, or validated."""
    fresh = meta.freshness
    stale = max(fresh.if_error, fresh.while_revalidate, _VALIDATED_FOR)
    return int(min(max(0.0, fresh.lifetime) + stale, LONGEST)) + 1


def newest_first(entry: RedisEntry) -> tuple[float, bytes]:
    """What entries of one key are sorted by."""
    return -entry.at, entry.ident
