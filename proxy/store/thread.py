"""A thread that does one thing after the other for the loop: what waits for a disk."""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeAlias, TypeVar

from proxy.core.stored import StoreFailed

T = TypeVar("T")
Work: TypeAlias = Callable[[], Any]


class Worker:
    """Runs what it is given, in the order in which that comes. It starts with the first of it."""

    __slots__ = ("_name", "_queue", "_thread")

    def __init__(self, name: str) -> None:
        self._name = name
        self._queue: SimpleQueue[tuple[Work, Callable[[Any, BaseException | None], None]] | None]
        self._queue = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def call(self, work: Callable[[], T]) -> T:
        """What ``work`` returns. Raises StoreFailed where it fails."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def done(result: Any, error: BaseException | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_settle, future, result, error)

        self._put(work, done)
        return await future

    def begin(self, work: Work) -> None:
        """Run it when its turn comes; nobody waits for it. It never raises."""
        self._put(work, _nothing)

    def stop(self) -> None:
        """End the thread when all that was given has been done, and wait for that."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _put(self, work: Work, done: Callable[[Any, BaseException | None], None]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._queue.put((work, done))

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            work, done = item
            try:
                result = work()
            except Exception as error:
                done(None, error)
            else:
                done(result, None)
            del item, work, done


def _settle(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if future.done():  # nobody waits any longer
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(StoreFailed(str(error)))


def _nothing(_result: Any, _error: BaseException | None) -> None:
    """Nobody waits."""
