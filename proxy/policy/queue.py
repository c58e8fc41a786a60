"""Who waits for a permit, and who is next.

All orders serve the more urgent first. A waiter leaves by ``dequeue``, is next by ``pop``, or loses
its place to a newcomer that has more right to it when the queue is full.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final, Protocol

from proxy.policy.most import Most

URGENCIES: Final = 8
"""Levels, 0 the most urgent (RFC 9218 4.1)."""


_STALE: Final = 64


class Waiter:
    """A request in the queue."""

    __slots__ = ("key", "notify", "since", "urgency")

    def __init__(
        self, key: Hashable, urgency: int, notify: Callable[[bool], bool], since: float = 0.0
    ) -> None:
        """``notify``: True with a permit, False where the waiter is lost. Says if it is heard."""
        self.key = key
        self.since = since
        self.urgency = urgency
        self.notify = notify


class Discipline(Protocol):
    """The order of the waiters of one urgency."""

    def __len__(self) -> int: ...

    def push(self, waiter: Waiter) -> None:
        """At the end, wherever that is."""

    def remove(self, waiter: Waiter) -> bool:
        """Whether it was there."""

    def pop(self) -> Waiter:
        """Take who is next; there is one."""

    def victim(self, newcomer: Waiter | None) -> Waiter | None:
        """Who would make room for it; None where nobody would. For no newcomer: who goes first."""


class Fifo:
    """First come, first served."""

    __slots__ = ("_waiters",)

    def __init__(self) -> None:
        # No dict: with those gone that stood first, finding the first of a dict is a scan.
        self._waiters: OrderedDict[Waiter, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiters)

    def push(self, waiter: Waiter) -> None:
        """At the end."""
        self._waiters[waiter] = None

    def remove(self, waiter: Waiter) -> bool:
        """As above."""
        return self._waiters.pop(waiter, waiter) is None

    def pop(self) -> Waiter:
        """The first."""
        return self._waiters.popitem(last=False)[0]

    def victim(self, newcomer: Waiter | None) -> Waiter | None:
        """The last."""
        return None if newcomer is not None else next(reversed(self._waiters))


class Lifo(Fifo):
    """Last come, first served: under overload the newest still has the patience to be answered."""

    __slots__ = ()

    def pop(self) -> Waiter:
        """The last."""
        return self._waiters.popitem()[0]

    def victim(self, newcomer: Waiter | None) -> Waiter | None:
        """The first, which would be served last."""
        return next(iter(self._waiters))


class Fair:
    """The key with the fewest permits is next; among equals who has waited longest for its turn.

    Counted in permits held, not in requests served: a client of slow requests gets its share of the
    upstream's time, not of its answers. While one key waits alone, nothing is compared.
    """

    __slots__ = ("_heap", "_most", "_permits_by_key", "_size", "_stamps", "_turn", "keys")

    def __init__(self, permits_by_key: dict[Hashable, int], turn: "count[int]") -> None:
        """``permits_by_key``: no entry for keys that have none; the limiter keeps it."""
        self._permits_by_key = permits_by_key
        self._turn = turn
        self.keys: dict[Hashable, OrderedDict[Waiter, None]] = {}
        """Those that wait, by their key."""
        self._stamps: dict[Hashable, int] = {}
        self._most: Most | None = None
        """How many wait for each; None while fewer than two keys do."""
        self._heap: list[tuple[int, int, int, Hashable]] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def push(self, waiter: Waiter) -> None:
        """Behind the others of its key."""
        key = waiter.key
        waiting = self.keys.get(key)
        self._size += 1
        if waiting is not None:
            waiting[waiter] = None
            if self._most is not None:
                self._most.more(key)
            return
        self.keys[key] = OrderedDict({waiter: None})
        self._stamps[key] = next(self._turn)
        if self._most is not None:
            self._most.more(key)
            self.reprioritize(key)
        elif len(self.keys) > 1:
            self._most = Most({each: len(waiters) for each, waiters in self.keys.items()})
            self._rank()

    def reprioritize(self, key: Hashable) -> None:
        """The number of permits of a key that waits has changed."""
        if self._most is None:
            return
        held = self._permits_by_key.get(key, 0)
        # The second number tells entries of one key apart, so no two keys are compared.
        heappush(self._heap, (held, self._stamps[key], next(self._turn), key))
        if len(self._heap) > _STALE + 2 * len(self.keys):
            self._rank()

    def _rank(self) -> None:
        """All keys anew; of what has changed since, a key that holds more now lies deep down."""
        held = self._permits_by_key
        self._heap = [
            (held.get(key, 0), stamp, next(self._turn), key) for key, stamp in self._stamps.items()
        ]
        heapify(self._heap)

    def remove(self, waiter: Waiter) -> bool:
        """As above."""
        waiting = self.keys.get(waiter.key)
        if waiting is None or waiter not in waiting:
            return False
        del waiting[waiter]
        self._left(waiter.key, waiting)
        return True

    def _left(self, key: Hashable, waiting: OrderedDict[Waiter, None]) -> None:
        """One of those ``waiting`` with this key does so no more."""
        self._size -= 1
        if self._most is not None:
            self._most.less(key)
        if not waiting:
            del self.keys[key], self._stamps[key]
            if len(self.keys) <= 1:
                self._most = None
                self._heap.clear()

    def pop(self) -> Waiter:
        """The first of the key that is next."""
        key = next(iter(self.keys)) if self._most is None else self._next_key()
        waiting = self.keys[key]
        waiter, _ = waiting.popitem(last=False)
        self._stamps[key] = next(self._turn)
        self._left(key, waiting)
        return waiter

    def _next_key(self) -> Hashable:
        while True:
            held, stamp, _, key = self._heap[0]
            if held == self._permits_by_key.get(key, 0) and stamp == self._stamps.get(key):
                return key
            heappop(self._heap)  # has changed since

    def victim(self, newcomer: Waiter | None) -> Waiter | None:
        """The last of the key with the most that wait, if that still leaves it no fewer."""
        key = next(iter(self.keys)) if self._most is None else self._most.key()
        waiting = self.keys[key]
        if newcomer is not None and len(waiting) < len(self.keys.get(newcomer.key, ())) + 2:
            return None
        return next(reversed(waiting))

    def waiting(self) -> dict[Hashable, tuple[int, float]]:
        """How many wait by key, and since when the first of them does."""
        return {
            key: (len(waiting), next(iter(waiting)).since) for key, waiting in self.keys.items()
        }


class Queue:
    """A bounded number of places."""

    __slots__ = (
        "_disciplines",
        "_fair",
        "_numbers",
        "_size",
        "order",
        "permits_by_key",
        "waiting",
    )

    def __init__(self, size: int, order: str = "fair") -> None:
        """``order``: ``fair``, ``fifo`` or ``lifo``."""
        self._size = size
        self.order = order
        self.permits_by_key: dict[Hashable, int] = {}
        """Permits by key; only ``fair`` has to know."""
        turn = count()
        kinds: dict[str, Callable[[], Discipline]] = {
            "fair": lambda: Fair(self.permits_by_key, turn),
            "fifo": Fifo,
            "lifo": Lifo,
        }
        self._disciplines = [kinds[order]() for _ in range(URGENCIES)]
        self._fair = [each for each in self._disciplines if isinstance(each, Fair)]
        self._numbers = [0] * URGENCIES
        """How many wait, by urgency."""
        self.waiting = 0

    def enqueue(self, waiter: Waiter, *, again: bool = False) -> Waiter | None:
        """Who has no place now: nobody, the newcomer, or one that had less right to it.

        ``again``: it had a place before, and has one whatever the size.
        """
        victim = None
        if self.waiting >= self._size and not again:
            victim = self._victim(waiter)
            if victim is waiter:
                return waiter
            self.dequeue(victim)
        self.add(waiter)
        return victim

    def add(self, waiter: Waiter) -> None:
        """Take it in, whether there is room or not."""
        self._disciplines[waiter.urgency].push(waiter)
        self._numbers[waiter.urgency] += 1
        self.waiting += 1

    def _victim(self, newcomer: Waiter) -> Waiter:
        last = max((i for i, number in enumerate(self._numbers) if number), default=-1)
        if last < newcomer.urgency:
            return newcomer
        discipline = self._disciplines[last]
        return discipline.victim(newcomer if last == newcomer.urgency else None) or newcomer

    def dequeue(self, waiter: Waiter) -> bool:
        """It waits no more. Whether it did."""
        found = self._disciplines[waiter.urgency].remove(waiter)
        self._numbers[waiter.urgency] -= found
        self.waiting -= found
        return found

    def pop(self) -> Waiter:
        """Take who is next; there is one."""
        self.waiting -= 1
        numbers, urgency = self._numbers, 0
        while not numbers[urgency]:
            urgency += 1
        numbers[urgency] -= 1
        return self._disciplines[urgency].pop()

    def reprioritize(self, key: Hashable) -> None:
        """The number of permits of a key has changed."""
        for fair in self._fair:
            if key in fair.keys:
                fair.reprioritize(key)

    def by_key(self) -> dict[Hashable, tuple[int, float]]:
        """How many wait by key, and since when the first of them does; where keys count."""
        found: dict[Hashable, tuple[int, float]] = {}
        for fair in self._fair:
            for key, (number, since) in fair.waiting().items():
                known, first = found.get(key, (0, since))
                found[key] = (known + number, min(first, since))
        return found
