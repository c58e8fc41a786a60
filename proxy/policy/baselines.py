"""What is usual on each path of a route."""

import math
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from proxy.policy.gradient import Baseline

KEYS: Final = 64
"""Paths with a usual time of their own."""
_UNUSED: Final = 10_000
"""Answers after which a path that has not come among them gives up its place."""
_CANDIDATES: Final = 256
_ENOUGH: Final = 20
"""Answers after which a path is known. Paths that name a thing each come once or twice."""


class Baselines:
    """Tells slow paths from slow times.

    Where one path in ten takes ten times as long, the share that it has of a round moves the mean
    of the round more than any queue would. So a path that comes often is compared with itself. All
    others share one usual time.
    """

    __slots__ = ("_candidates", "_common", "_own", "_seen", "_turn")

    def __init__(self) -> None:
        self._common = Baseline()
        self._own: OrderedDict[Hashable, Baseline] = OrderedDict()
        self._seen: dict[Hashable, int] = {}
        self._turn = 0
        self._candidates: OrderedDict[Hashable, tuple[int, float]] = OrderedDict()

    def of(self, key: Hashable) -> Baseline:
        """The baseline of a path; the common one if the path has none."""
        own = self._own.get(key)
        if own is None:
            return self._common
        self._own.move_to_end(key)
        self._seen[key] = self._turn
        return own

    def learn(self, key: Hashable, seconds: float) -> bool:
        """An answer came after ``seconds``. Whether its path has a usual time of its own now."""
        self._turn += 1
        if key in self._own or (len(self._own) >= KEYS and not self._makes_room()):
            return False
        count, logs = self._candidates.pop(key, (0, 0.0))
        count, logs = count + 1, logs + math.log(max(seconds, 1e-6))
        if count < _ENOUGH:
            self._candidates[key] = (count, logs)
            if len(self._candidates) > _CANDIDATES:
                self._candidates.popitem(last=False)
            return False
        self._own[key] = Baseline(math.exp(logs / count), count)
        self._seen[key] = self._turn
        return True

    def _makes_room(self) -> bool:
        """All places are taken: whether there is one that nobody has needed for long."""
        oldest = next(iter(self._own))
        if self._turn - self._seen[oldest] < _UNUSED:
            return False
        del self._own[oldest], self._seen[oldest]
        return True
