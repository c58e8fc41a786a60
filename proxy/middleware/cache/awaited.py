"""Stale replies whose bodies are waited for, since there is an error in their place."""

import asyncio
from typing import Final

from proxy.core.stored import Entry, StoreFailed

_PATIENCE: Final = 5.0
"""Seconds for which the first bytes are waited for."""


class Awaited:
    """An entry whose store may be slow."""

    __slots__ = ("_entry", "ident", "meta", "shown", "size", "whole")

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self.ident, self.meta, self.size = entry.ident, entry.meta, entry.size
        self.whole = entry.whole
        self.shown: object = None

    async def read(self, position: int, *, first: bool = False) -> bytes:
        """As the entry does, but for some seconds."""
        if not first:
            return await self._entry.read(position)
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._entry.read(position)
        except TimeoutError:
            raise StoreFailed(f"no answer within {_PATIENCE:g} s") from None
