"""What was made invalid in a store that is no memory, until the store knows it.

A file may be locked by another process that stands still, or have no room, and Redis may not
answer: then an invalidation cannot be made at once. What it concerns is hidden in this process from
the moment at which it was asked for, and it is tried again until it is made. Processes that share
the store learn of it then.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Set
from typing import Any, Final, TypeAlias, TypeVar

from proxy.core.stored import Removal
from proxy.core.tasks import keep
from proxy.policy.key_changes import Changes

log = logging.getLogger(__name__)
T = TypeVar("T")

KEY: Final = "key"
LABEL: Final = "label"
ALL: Final = "all"
Invalidation: TypeAlias = tuple[str, bytes]
"""KEY or LABEL, and which; or ALL."""
Make: TypeAlias = Callable[[str, bytes, Removal], Awaitable[bool]]
"""Makes one, and counts what it removes; whether all is done. It is tried again with the same
removal, and one of the same name that is asked for later has another."""
_NONE: Final[frozenset[Invalidation]] = frozenset()
_AGAIN: Final = 1.0
"""Seconds until it is tried again."""
_MOST: Final = 10_000
"""If more are left, all that is stored is invalid: they are forgotten, and ALL is left."""


class Invalidations:
    """Makes them, and knows those that are left."""

    __slots__ = ("_changes", "_failed", "_left", "_send", "_tasks", "_timeout", "_timer")

    def __init__(self, send: Make, timeout: float | None, changes: Changes) -> None:
        """``send``: tells the store. ``changes``: what this process knows of at once.

        ``timeout``: seconds for which whoever asks for one waits, None for any time.
        """
        self._send = send
        self._changes = changes
        self._timeout = timeout
        self._left: dict[Invalidation, Removal] = {}
        """What they have come to: one of the same name may be asked for again meanwhile."""
        self._failed: set[Invalidation] = set()
        """Those of them that have to be tried again."""
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def left(self) -> frozenset[Invalidation]:
        """What the store does not know yet."""
        return frozenset(self._left) if self._left else _NONE

    async def make(self, kind: str, name: bytes, patience: float = 0.0) -> Removal:
        """Remove what has this key or label; what that has come to.

        ``kind``: KEY or LABEL. One that takes longer than the timeout, or than ``patience``
        seconds if that is more, goes on.
        """
        self._changes.invalidated(name)
        if len(self._left) >= _MOST:
            self._left.clear()
            self._failed.clear()
            kind, name = ALL, b""
        removal = self._left[kind, name] = Removal()
        task = self._begin(self._make(kind, name, removal))
        within = self._timeout and max(self._timeout, patience)
        await asyncio.wait((task,), timeout=within)
        return removal

    async def _make(self, kind: str, name: bytes, removal: Removal) -> bool:
        which = (kind, name)
        try:
            removal.complete = await self._send(kind, name, removal)
        except Exception as error:  # it is left in any case, and tried again
            log.warning("store: a removal has failed (%s)", type(error).__name__)
        if self._left.get(which) is removal:
            if not removal.complete:
                self._failed.add(which)
                if self._timer is None:
                    loop = asyncio.get_running_loop()
                    self._timer = loop.call_later(_AGAIN, self._try_again)
            else:
                del self._left[which]
                self._failed.discard(which)
        return removal.complete

    def _try_again(self) -> None:
        self._timer = None
        self._begin(self._make_failed())

    async def _make_failed(self) -> None:
        for which in list(self._failed):
            removal = self._left.get(which)
            if removal is not None and not await self._make(*which, removal):
                return

    def _begin(self, work: Coroutine[None, None, T]) -> asyncio.Task[T]:
        return keep(asyncio.get_running_loop().create_task(work), self._tasks)

    async def close(self, within: float = 0.0) -> None:
        """Try no more. Those that are under way may take ``within`` seconds."""
        if self._timer is not None:
            self._timer.cancel()
        if within and self._tasks:
            await asyncio.wait(self._tasks, timeout=within)


def hides(left: Set[Invalidation], key: bytes, labels: Iterable[bytes]) -> bool:
    """Whether an entry with this key and these labels is invalid, though the store has it."""
    if (KEY, key) in left or (ALL, b"") in left:
        return True
    return any((LABEL, label) in left for label in labels)
