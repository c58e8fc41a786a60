"""A thread that does one thing after the other for the loop: what waits for a disk.

What is done while the loop is busy is told to it together: a wake-up costs as much as a look-up.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeAlias, TypeVar

from proxy.core.stored import StoreFailed

T = TypeVar("T")
Work: TypeAlias = Callable[[], Any]


class Worker:
    """Runs what it is given, in the order in which that comes. It starts with the first of it."""

    __slots__ = ("_done", "_is_late", "_name", "_queue", "_thread", "_told")

    def __init__(self, name: str) -> None:
        self._name = name
        self._queue: SimpleQueue[tuple[Work, asyncio.Future[Any] | None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._done: deque[tuple[asyncio.Future[Any], Any, Exception | None]] = deque()
        """What the loop has not been told."""
        self._told = False
        """Whether it has been told that there is something."""
        self._is_late = False
        """Whether somebody has waited in vain, and nothing has been done since."""

    async def call(
        self, work: Callable[[], T], within: float | None = None, *, anyway: bool = False
    ) -> T:
        """What ``work`` returns. Raises StoreFailed where it fails.

        Raises TimeoutError where that takes longer than ``within`` seconds; it is done all the
        same. Raises it at once, where something before it has taken too long and is not done yet:
        if each of many waited for that, all of them would be slow. Then it does nothing, unless it
        is to be done ``anyway``.
        """
        if within is not None and self._is_late:
            if anyway:
                self._put(work, None)
            raise TimeoutError
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._put(work, future)
        if within is None:
            return await future
        # Less than half of what ``asyncio.timeout`` costs.
        timer = loop.call_later(within, self._expire, future)
        try:
            return await future
        finally:
            timer.cancel()

    def begin(self, work: Work) -> None:
        """Run it when its turn comes; nobody waits for it. It never raises."""
        self._put(work, None)

    def stop(self) -> None:
        """End the thread when all that was given has been done, and wait for that."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _put(self, work: Work, future: "asyncio.Future[Any] | None") -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._queue.put((work, future))

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            work, future = item
            result, failed = None, None
            try:
                result = work()
            except Exception as error:
                failed = error
            if future is not None:
                self._done.append((future, result, failed))
                loop = future.get_loop()
                if not self._told and not loop.is_closed():
                    self._told = True
                    loop.call_soon_threadsafe(self._settle)
            del item, work, future, result, failed

    def _settle(self) -> None:
        """In the loop: tell whoever waits what has been done."""
        self._told = False  # before looking: what is done from now on is told of again
        self._is_late = False
        done = self._done
        while done:
            future, result, failed = done.popleft()
            if future.done():  # nobody waits any longer
                continue
            if failed is None:
                future.set_result(result)
            else:
                future.set_exception(StoreFailed(str(failed)))

    def _expire(self, future: "asyncio.Future[Any]") -> None:
        if not future.done():
            future.set_exception(TimeoutError())
            self._is_late = True
