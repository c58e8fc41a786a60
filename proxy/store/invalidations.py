"""What was made invalid in a file of SQLite, until the file knows it.

A file may be locked by another process that stands still, or have no room: then an invalidation
cannot be written at once. What it concerns is hidden in this process from the moment at which it
was asked for, and it is tried again until it is written. Processes that share the file learn of it
then.
"""

import asyncio
from collections.abc import Callable, Iterable, Set
from functools import partial
from typing import Final, TypeAlias

from proxy.core.stored import StoreFailed
from proxy.store.database import Database
from proxy.store.file import File

KEY: Final = "key"
LABEL: Final = "label"
_ALL: Final = "all"
_CHANGES: Final[dict[str, Callable[[Database, bytes], int]]] = {
    KEY: Database.delete_all,
    LABEL: Database.purge,
    _ALL: lambda database, _: database.clear(),
}
Invalidation: TypeAlias = tuple[str, bytes]
"""KEY or LABEL, and which."""
_NONE: Final[frozenset[Invalidation]] = frozenset()
_AGAIN: Final = 1.0
"""Seconds until it is tried again."""
_MOST: Final = 10_000
"""If more are left, all that is stored is invalid."""


class Invalidations:
    """Makes them, and knows those that are left."""

    __slots__ = ("_again", "_failed", "_file", "_left", "_number", "_timeout", "_timer")

    def __init__(self, file: File, timeout: float | None) -> None:
        """``timeout``: seconds for which whoever asks for one waits, None for any time."""
        self._file = file
        self._timeout = timeout
        self._left: dict[Invalidation, int] = {}
        """With a number, since one of the same name may be asked for again meanwhile."""
        self._number = 0
        self._failed: set[Invalidation] = set()
        """Those of them that have to be tried again."""
        self._timer: asyncio.TimerHandle | None = None
        self._again: asyncio.Task[None] | None = None

    @property
    def left(self) -> frozenset[Invalidation]:
        """What the file does not know yet."""
        return frozenset(self._left) if self._left else _NONE

    async def make(self, kind: str, name: bytes) -> int | None:
        """Remove what has this key or label; how many there were, None where that is not known.

        ``kind``: KEY or LABEL. One that takes too long is made later.
        """
        if len(self._left) >= _MOST:
            self._left.clear()
            self._failed.clear()
            kind, name = _ALL, b""
        self._number += 1
        self._left[kind, name] = self._number
        task = asyncio.get_running_loop().create_task(self._make(kind, name, self._number))
        await asyncio.wait((task,), timeout=self._timeout)
        return task.result() if task.done() else None

    async def _make(self, kind: str, name: bytes, number: int) -> int | None:
        which = (kind, name)
        try:
            found = await self._file.change(partial(_apply, kind, name))
        except StoreFailed:
            found = None
        if self._left.get(which) == number:
            if found is None:
                self._failed.add(which)
                if self._timer is None:
                    loop = asyncio.get_running_loop()
                    self._timer = loop.call_later(_AGAIN, self._try_again)
            else:
                del self._left[which]
                self._failed.discard(which)
        return found

    def _try_again(self) -> None:
        self._timer = None
        self._again = asyncio.get_running_loop().create_task(self._make_failed())

    async def _make_failed(self) -> None:
        for which in list(self._failed):
            if await self._make(*which, self._left[which]) is None:
                return

    def close(self) -> None:
        """Try no more."""
        if self._timer is not None:
            self._timer.cancel()


def hides(left: Set[Invalidation], key: bytes, labels: Iterable[bytes]) -> bool:
    """Whether an entry with this key and these labels is invalid, though the file has it."""
    if (KEY, key) in left or (_ALL, b"") in left:
        return True
    return any((LABEL, label) in left for label in labels)


def _apply(kind: str, name: bytes, database: Database) -> int:
    return _CHANGES[kind](database, name)
