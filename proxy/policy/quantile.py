"""How long something takes, as a distribution."""

import math
from bisect import bisect_left, insort
from collections import deque
from typing import Final

_LEAST: Final = 20
"""Observations below which nothing is known: a p95 is one of twenty."""


class Quantiles:
    """The last observations, in order."""

    __slots__ = ("_ordered", "_recent", "_size", "_window")

    def __init__(self, window: float = 60.0, size: int = 512) -> None:
        """Of the last ``window`` seconds, ``size`` at the most."""
        self._window = window
        self._size = size
        self._recent: deque[tuple[float, float]] = deque()
        self._ordered: list[float] = []

    def observe(self, seconds: float, now: float) -> None:
        """A request took so many ``seconds``."""
        if len(self._recent) >= self._size:
            self._forget()
        self._recent.append((now, seconds))
        insort(self._ordered, seconds)

    def value(self, quantile: float, now: float) -> float | None:
        """Seconds within which this share of them was done; None where too little is known."""
        recent = self._recent
        while recent and recent[0][0] < now - self._window:
            self._forget()
        known = len(self._ordered)
        if known < _LEAST:
            return None
        return self._ordered[max(math.ceil(quantile * known) - 1, 0)]

    def _forget(self) -> None:
        _, seconds = self._recent.popleft()
        del self._ordered[bisect_left(self._ordered, seconds)]
