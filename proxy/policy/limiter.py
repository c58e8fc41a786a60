"""Permits: how many requests an upstream has at a time."""

import math
from collections.abc import Hashable
from typing import Final

from proxy.policy.queue import Queue, Waiter
from proxy.policy.window import Window

_LOOK_BACK: Final = 10.0
_LONGEST: Final = 60.0


class ConcurrencyLimiter:
    """Hands out permits, to those that wait first.

    Whoever has one gives it back once. ``now`` is in seconds of a monotonic clock.
    """

    __slots__ = (
        "_closed",
        "_fair",
        "_finished",
        "_queue",
        "evicted",
        "in_flight",
        "limit",
        "refused",
        "timed_out",
    )

    def __init__(self, limit: int, queue: Queue | None = None) -> None:
        """Without ``queue`` nobody waits."""
        self.limit = limit
        self._queue = queue
        self._closed = False
        self._fair = queue if queue is not None and queue.order == "fair" else None
        self.in_flight = 0
        self.refused = 0
        """Found no place."""
        self.evicted = 0
        """Lost it to one that had more right to it."""
        self.timed_out = 0
        """Waited for as long as they could."""
        self._finished = Window(_LOOK_BACK)

    def queue_up(self, queue: Queue | None) -> None:
        """Wait in this queue from now on, which is empty; those that wait go there, the next first.

        All of them find room there. Without a queue nobody comes to those that wait already.
        """
        before = self._queue
        self._closed = queue is None
        if queue is None:
            return
        if before is not None:
            queue.permits_by_key.update(before.permits_by_key)
            moving: list[Waiter] = []
            while before.waiting:
                moving.append(waiter := before.pop())
                before.reprioritize(waiter.key)  # others of its key may wait
            if queue.order == "lifo":
                moving.reverse()
            for waiter in moving:
                queue.add(waiter)
        self._queue = queue
        self._fair = queue if queue.order == "fair" else None

    @property
    def waiting(self) -> int:
        """How many wait."""
        return 0 if self._queue is None else self._queue.waiting

    @property
    def free(self) -> bool:
        """Whether one more would be let through at once."""
        return self.in_flight < self.limit and not self.waiting

    def try_acquire(self, key: Hashable) -> bool:
        """A permit at once, where there is one and nobody has waited for it."""
        queue = self._queue
        if self.in_flight >= self.limit or (queue is not None and queue.waiting):
            return False
        self._taken(key)
        return True

    def _taken(self, key: Hashable) -> None:
        self.in_flight += 1
        if self._fair is not None:
            permits = self._fair.permits_by_key
            permits[key] = permits.get(key, 0) + 1
            if self._fair.waiting:
                self._fair.reprioritize(key)

    def enqueue(self, waiter: Waiter) -> bool:
        """Wait. False where there is no place for it."""
        nowhere = self._queue is None or self._closed
        victim = waiter if self._queue is None or nowhere else self._queue.enqueue(waiter)
        if victim is waiter:
            self.refused += 1
            return False
        if victim is not None:
            self.evicted += 1
            victim.notify(False)
        return True

    def dequeue(self, waiter: Waiter) -> bool:
        """Wait no more. False where it did not, since it had been told already."""
        return self._queue is not None and self._queue.dequeue(waiter)

    def release(self, key: Hashable, now: float) -> None:
        """The request that had it is over."""
        self._returned(key)
        self._finished.add(now)
        if self._queue is not None and self._queue.waiting:
            self.wake_waiters()

    def _returned(self, key: Hashable) -> None:
        self.in_flight -= 1
        if self._fair is not None:
            permits = self._fair.permits_by_key
            held = permits.pop(key, 1)  # taken before keys counted, it counts for none
            if held > 1:
                permits[key] = held - 1
            if self._fair.waiting:
                self._fair.reprioritize(key)

    def wake_waiters(self) -> None:
        """Let through who may go: after a permit has come back, or the limit has grown."""
        queue = self._queue
        while queue is not None and queue.waiting and self.in_flight < self.limit:
            waiter = queue.pop()
            self._taken(waiter.key)
            if not waiter.notify(True):
                self._returned(waiter.key)

    def retry_after(self, now: float) -> float:
        """Seconds until those that wait will be through, by what has been finished lately."""
        rate = self._finished.total(now) / _LOOK_BACK
        if not rate:
            return _LOOK_BACK
        return min(max(1.0, math.ceil((self.waiting + 1) / rate)), _LONGEST)

    def busiest(self, number: int) -> dict[Hashable, tuple[int, float]]:
        """The keys of which the most wait: how many, and since when the first of them."""
        by_key = {} if self._queue is None else self._queue.by_key()
        return dict(sorted(by_key.items(), key=lambda item: -item[1][0])[:number])

    def finished_per_second(self, now: float) -> float:
        """How fast requests end."""
        return self._finished.total(now) / _LOOK_BACK
