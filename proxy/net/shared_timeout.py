"""A limit of time for stretches of code that nearly always end in time."""

import asyncio
from typing import Any, TypeAlias

from proxy.net.timers import Alarm

Task: TypeAlias = "asyncio.Task[Any]"


class Bound:
    """As ``asyncio.timeout``, with one timer for all that is under way.

    A timer for each costs 4 µs. All have the same time here, so who began first is due first. A
    task may be under way once, and is not being cancelled when it begins.
    """

    __slots__ = ("_alarm", "_loop", "_running", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm(self._loop, self._rang)
        self._running: dict[Task, float] = {}

    def begin(self, task: Task) -> float:
        """The time of ``task`` begins now; when it ends. ``end`` has to follow."""
        at = self._loop.time() + self.seconds
        if not self._running:
            self._alarm.set(at)
        self._running[task] = at
        return at

    def end(self, task: Task) -> bool:
        """It is over, however it ended.

        True where a CancelledError that ends it is to become an error of the caller's: it was this
        clock that cancelled it, and nobody else did.
        """
        if self._running.pop(task, None) is not None:
            return False
        return task.uncancel() == 0

    def _rang(self) -> None:
        now = self._loop.time()
        running = self._running
        while running:
            task, at = next(iter(running.items()))
            if at > now:
                self._alarm.set(at)
                return
            del running[task]
            task.cancel()
