"""Who waits for a permit, and who is next.

All orders serve the more urgent first. A place is given up by its owner, taken by ``pop``, or lost
to a newcomer that has more right to it when the queue is full.
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


class Place:
    """One that waits."""

    __slots__ = ("key", "since", "told", "urgency")

    def __init__(
        self, key: Hashable, urgency: int, told: Callable[[bool], bool], since: float = 0.0
    ) -> None:
        """``told``: True with a permit, False where it lost its place. Says whether it is heard."""
        self.key = key
        self.since = since
        self.urgency = urgency
        self.told = told


class Line(Protocol):
    """Those of one urgency."""

    def __len__(self) -> int: ...

    def push(self, place: Place) -> None:
        """At the end, wherever that is."""

    def remove(self, place: Place) -> bool:
        """Whether it was there."""

    def pop(self) -> Place:
        """Take who is next; there is one."""

    def weakest(self, newcomer: Place | None) -> Place | None:
        """Who would make room for it; None where nobody would. For no newcomer: who goes first."""


class Fifo:
    """First come, first served."""

    __slots__ = ("_places",)

    def __init__(self) -> None:
        # No dict: with those gone that stood first, finding the first of a dict is a scan.
        self._places: OrderedDict[Place, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._places)

    def push(self, place: Place) -> None:
        """At the end."""
        self._places[place] = None

    def remove(self, place: Place) -> bool:
        """As above."""
        return self._places.pop(place, place) is None

    def pop(self) -> Place:
        """The first."""
        return self._places.popitem(last=False)[0]

    def weakest(self, newcomer: Place | None) -> Place | None:
        """The last."""
        return None if newcomer is not None else next(reversed(self._places))


class Lifo(Fifo):
    """Last come, first served: under overload the newest still has the patience to be answered."""

    __slots__ = ()

    def pop(self) -> Place:
        """The last."""
        return self._places.popitem()[0]

    def weakest(self, newcomer: Place | None) -> Place | None:
        """The first, which would be served last."""
        return next(iter(self._places))


class Fair:
    """The key with the fewest permits is next; among equals who has waited longest for its turn.

    Counted in permits held, not in requests served: a client of slow requests gets its share of the
    upstream's time, not of its answers.
    """

    __slots__ = ("_heap", "_held", "_keys", "_most", "_size", "_stamps", "_turn")

    def __init__(self, held: dict[Hashable, int], turn: "count[int]") -> None:
        """``held``: permits by key, none for keys that have none; kept by ``Gate``."""
        self._held = held
        self._turn = turn
        self._keys: dict[Hashable, OrderedDict[Place, None]] = {}
        self._most = Most()
        self._stamps: dict[Hashable, int] = {}
        self._heap: list[tuple[int, int, int, Hashable]] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def push(self, place: Place) -> None:
        """Behind the others of its key."""
        waiting = self._keys.get(place.key)
        if waiting is None:
            waiting = self._keys[place.key] = OrderedDict()
            self._stamps[place.key] = next(self._turn)
            self.moved(place.key)
        waiting[place] = None
        self._size += 1
        self._most.more(place.key)

    def moved(self, key: Hashable) -> None:
        """The number of permits of a key has changed."""
        if key in self._keys:
            held = self._held.get(key, 0)
            # The second number tells entries of one key apart, so no two keys are compared.
            heappush(self._heap, (held, self._stamps[key], next(self._turn), key))
            if len(self._heap) > _STALE + 2 * len(self._keys):
                self._tidy()

    def _tidy(self) -> None:
        """Let go of what has changed since; a key that holds more now lies deep down."""
        held = self._held
        self._heap = [
            (held.get(key, 0), stamp, next(self._turn), key) for key, stamp in self._stamps.items()
        ]
        heapify(self._heap)

    def remove(self, place: Place) -> bool:
        """As above."""
        waiting = self._keys.get(place.key)
        if waiting is None or place not in waiting:
            return False
        self._take(place, waiting)
        return True

    def _take(self, place: Place, waiting: OrderedDict[Place, None]) -> None:
        del waiting[place]
        self._size -= 1
        self._most.less(place.key)
        if not waiting:
            del self._keys[place.key], self._stamps[place.key]
            if not self._keys:
                self._heap.clear()

    def pop(self) -> Place:
        """The first of the key that is next."""
        while True:
            held, stamp, _, key = self._heap[0]
            waiting = self._keys.get(key)
            if (
                waiting is not None
                and held == self._held.get(key, 0)
                and stamp == self._stamps[key]
            ):
                break
            heappop(self._heap)  # has changed since
        place = next(iter(waiting))
        self._stamps[key] = next(self._turn)
        self._take(place, waiting)
        return place

    def weakest(self, newcomer: Place | None) -> Place | None:
        """The last of the key with the most that wait, if that still leaves it no fewer."""
        waiting = self._keys[self._most.key()]
        if newcomer is not None and len(waiting) < len(self._keys.get(newcomer.key, ())) + 2:
            return None
        return next(reversed(waiting))

    def waiting(self) -> dict[Hashable, tuple[int, float]]:
        """How many wait by key, and since when the first of them does."""
        return {
            key: (len(waiting), next(iter(waiting)).since) for key, waiting in self._keys.items()
        }


class Queue:
    """A bounded number of places."""

    __slots__ = ("_lines", "_size", "held", "order", "waiting")

    def __init__(self, size: int, order: str = "fair") -> None:
        """``order``: ``fair``, ``fifo`` or ``lifo``."""
        self._size = size
        self.order = order
        self.held: dict[Hashable, int] = {}
        """Permits by key; only ``fair`` has to know."""
        turn = count()
        kinds: dict[str, Callable[[], Line]] = {
            "fair": lambda: Fair(self.held, turn),
            "fifo": Fifo,
            "lifo": Lifo,
        }
        self._lines = [kinds[order]() for _ in range(URGENCIES)]
        self.waiting = 0

    def join(self, place: Place) -> Place | None:
        """Who has no place now: nobody, the newcomer, or one that had less right to it."""
        loser = None
        if self.waiting >= self._size:
            loser = self._loser(place)
            if loser is place:
                return place
            self.leave(loser)
        self._lines[place.urgency].push(place)
        self.waiting += 1
        return loser

    def _loser(self, newcomer: Place) -> Place:
        last = max((i for i, line in enumerate(self._lines) if len(line)), default=-1)
        if last < newcomer.urgency:
            return newcomer
        line = self._lines[last]
        return line.weakest(newcomer if last == newcomer.urgency else None) or newcomer

    def leave(self, place: Place) -> bool:
        """It waits no more. Whether it did."""
        found = self._lines[place.urgency].remove(place)
        self.waiting -= found
        return found

    def pop(self) -> Place:
        """Take who is next; there is one."""
        self.waiting -= 1
        return next(line for line in self._lines if len(line)).pop()

    def moved(self, key: Hashable) -> None:
        """The number of permits of a key has changed."""
        for line in self._lines:
            if isinstance(line, Fair):
                line.moved(key)

    def by_key(self) -> dict[Hashable, tuple[int, float]]:
        """How many wait by key, and since when the first of them does; where keys count."""
        found: dict[Hashable, tuple[int, float]] = {}
        for line in self._lines:
            if isinstance(line, Fair):
                for key, (number, since) in line.waiting().items():
                    known, first = found.get(key, (0, since))
                    found[key] = (known + number, min(first, since))
        return found
