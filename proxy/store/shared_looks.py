"""Equal looks at a store share one, where many ask at the same time.

One that is under way may have seen what was there before somebody else asked. So those that come
meanwhile share the next one, which begins when that has ended. It is nobody's own: whoever leaves
ends it for nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

from proxy.core.tasks import keep
from proxy.store.thread import Waiting, settle

T = TypeVar("T")


class SharedLooks:
    """The look-ups in one store, each shared by all who ask the same."""

    __slots__ = ("_next", "_tasks", "_under_way")

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[None]] = {}
        self._next: dict[Hashable, Waiting] = {}
        """Those who wait for look-ups that have not begun."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def share(self, same: Hashable, look: Callable[[], Awaitable[T]]) -> T:
        """What ``look`` finds, done after this for all that ask with the same name.

        Raises StoreFailed where it fails.
        """
        loop = asyncio.get_running_loop()
        waiting = self._next.get(same)
        if waiting is None:
            waiting = self._next[same] = []
            keep(loop.create_task(self._look(same, waiting, look)), self._tasks)
        future: asyncio.Future[T] = loop.create_future()
        waiting.append(future)
        return await future

    async def _look(
        self, same: Hashable, waiting: Waiting, look: Callable[[], Awaitable[Any]]
    ) -> None:
        if (before := self._under_way.get(same)) is not None:
            await asyncio.wait((before,))
        del self._next[same]
        task = asyncio.current_task()
        assert task is not None
        self._under_way[same] = task
        found, failed = None, None
        try:
            found = await look()
        except Exception as error:
            failed = str(error) or type(error).__name__
        finally:
            del self._under_way[same]
        settle(waiting, found, failed)
