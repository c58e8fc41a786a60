"""An entry whose body is kept elsewhere, in parts of one size, or here where it is short."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from proxy.core.stored import Meta

ReadPart: TypeAlias = Callable[[int, bool], Awaitable[bytes]]
"""Gives a part of the body by its number; and whether nothing of the reply has been sent, so that a
store that is slow is not waited for. Raises StoreFailed where the part is not there."""

PIECE: Final = 64 << 10
"""Bytes of a part; a body that is no longer stands beside its head."""


class PartedEntry:
    """A stored reply."""

    __slots__ = ("_part", "ident", "meta", "shown", "size", "whole")

    def __init__(
        self, ident: bytes, meta: Meta, size: int, whole: bytes | None, part: ReadPart
    ) -> None:
        """``size``: bytes of the body; ``whole``: all of it, where it is short."""
        self._part = part
        self.ident = ident
        self.meta = meta
        self.size = size
        self.whole = whole
        self.shown: object = None

    async def read(self, position: int, *, first: bool = False) -> bytes:
        """Some bytes from ``position`` on. Raises StoreFailed where they are not there."""
        if position >= self.size:
            return b""
        if self.whole is not None:
            return self.whole[position:]
        number, offset = divmod(position, PIECE)
        return (await self._part(number, first))[offset:]
