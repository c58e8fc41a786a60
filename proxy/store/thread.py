"""A thread that does one thing after the other for the loop: what waits for a disk.

What is done while the loop is busy is told to it together: a wake-up costs as much as a look-up.

Who waits is patient with what comes of a crowd, and is no fault of the disk: equal looks that wait
for their turn are one; a thread that does one thing after the other is not late; and what is done
when a time is over is taken, however late the loop sees it.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Hashable
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeAlias, TypeVar

from proxy.core.clock import monotonic
from proxy.core.stored import StoreFailed
from proxy.net.timers import TURNS
from proxy.store.patience import EXACT, LONGEST

T = TypeVar("T")
Work: TypeAlias = Callable[[], Any]
Waiting: TypeAlias = "list[asyncio.Future[Any]]"


def settle(waiting: Waiting, result: object, failed: str | None) -> None:
    """Tell all who still wait what has come of it: ``result``, or why it has failed."""
    for future in waiting:
        if future.done():  # nobody waits any longer
            continue
        if failed is None:
            future.set_result(result)
        else:
            future.set_exception(StoreFailed(failed))


class _Wait(NamedTuple):
    """What somebody waits for, and how long at the most."""

    future: "asyncio.Future[Any]"
    within: float
    began: float


class Worker:
    """Runs what it is given, in the order in which that comes. It starts with the first of it."""

    __slots__ = (
        "_did_at",
        "_done",
        "_equal",
        "_is_late",
        "_name",
        "_queue",
        "_thread",
        "_told",
    )

    def __init__(self, name: str) -> None:
        self._name = name
        self._queue: SimpleQueue[tuple[Work, Waiting, Hashable] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._equal: dict[Hashable, Waiting] = {}
        """Who waits for looks that have not begun, by what they look for. Each of both threads
        adds or removes one key at a time."""
        self._done: deque[tuple[Waiting, Any, Exception | None]] = deque()
        """What the loop has not been told."""
        self._did_at = 0.0
        """When the thread has done something last."""
        self._told = False
        """Whether it has been told that there is something."""
        self._is_late = False
        """Whether somebody has waited in vain, and nothing has been done since."""

    async def call(
        self,
        work: Callable[[], T],
        within: float | None = None,
        *,
        anyway: bool = False,
        same: Hashable = None,
    ) -> T:
        """What ``work`` returns. Raises StoreFailed where it fails.

        Raises TimeoutError where nothing is done for longer than ``within`` seconds, or not this
        for two seconds as well; it is done all the same. Raises it at once where something before
        it has taken too long and is not done yet: if each of many waited for that, all of them
        would be slow. Then it does nothing, unless it is to be done ``anyway``.

        ``same``: it only looks, and equal ones find the same. It is done once for all that ask
        before it begins, so that nobody is told what was there before it asked.
        """
        if within is not None and self._is_late:
            if anyway:
                self._put(work, [], None)
            raise TimeoutError
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        equal = None if same is None else self._equal.get(same)
        if equal is None:
            self._put(work, [future], same)
        else:
            equal.append(future)
        if within is None:
            return await future
        # Less than half of what ``asyncio.timeout`` costs.
        wait = _Wait(future, within, monotonic())
        timer = loop.call_later(within, self._expire, wait)
        try:
            return await future
        finally:
            timer.cancel()

    def begin(self, work: Work) -> None:
        """Run it when its turn comes; nobody waits for it. It never raises."""
        self._put(work, [], None)

    def stop(self) -> None:
        """End the thread when all that was given has been done, and wait for that."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _put(self, work: Work, waiting: Waiting, same: Hashable) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        if same is not None:
            self._equal[same] = waiting
        self._queue.put((work, waiting, same))

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            work, waiting, same = item
            if same is not None:
                self._equal.pop(same, None)
            result, failed = None, None
            try:
                result = work()
            except Exception as error:
                failed = error
            self._did_at = monotonic()
            if waiting:
                self._done.append((waiting, result, failed))
                loop = waiting[0].get_loop()
                if not self._told and not loop.is_closed():
                    self._told = True
                    loop.call_soon_threadsafe(self._settle)
            del item, work, waiting, result, failed

    def _settle(self) -> None:
        """In the loop: tell whoever waits what has been done."""
        self._told = False  # before looking: what is done from now on is told of again
        self._take()

    def _take(self) -> None:
        """Tell whoever waits what has been done, whether or not the loop was told."""
        done = self._done
        if done:
            self._is_late = False
        while done:
            waiting, result, failed = done.popleft()
            settle(waiting, result, None if failed is None else str(failed))

    def _expire(self, wait: _Wait, turns: int = 0) -> None:
        """The time of one who waits is over: unless it is done by now, or others were answered."""
        self._take()
        future, within, began = wait
        if future.done():
            return
        loop = future.get_loop()
        now = monotonic()
        idle = now - max(self._did_at, began)
        left = min(within - idle, max(within, LONGEST) - (now - began))
        if left > EXACT:
            loop.call_later(left, self._expire, wait)
        elif turns < TURNS:  # a loop that was busy has let the thread do little
            loop.call_soon(self._expire, wait, turns + 1)
        else:
            future.set_exception(TimeoutError())
            self._is_late = within - idle <= EXACT
