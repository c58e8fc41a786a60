"""How long clients wait, learnt from those that have left."""

import math
from collections import deque
from typing import Final

_WINDOW: Final = 300.0
"""Seconds after which nothing of what was seen counts any more."""
LEAST: Final = 8
"""Departures below which nothing is known."""
MOST: Final = 32
ALIKE: Final = 1.2
"""Clients share a timeout where the middle half of those that left did so within 20 % of the same
time. People who close a page do so at any time."""
SHORTEST: Final = 1.0
"""Seconds: who leaves earlier had no timeout."""


class ClientPatience:
    """After how many seconds clients give up, where they have a timeout in common."""

    __slots__ = ("_departures", "_known", "_rests_until")

    def __init__(self) -> None:
        self._departures: deque[tuple[float, float]] = deque(maxlen=MOST)
        """When somebody left, and after how many seconds."""
        self._known: float | None = None
        self._rests_until = -math.inf

    def left(self, waited: float, now: float) -> None:
        """A client has left after so many seconds without an answer."""
        if waited >= SHORTEST and now >= self._rests_until:
            self._departures.append((now, waited))
            self._known = self._common()

    def answered(self, waited: float, now: float) -> None:
        """A client was answered after so many seconds.

        One that has waited for longer than the others do shows that they have no timeout in common.
        Then nothing is learnt for a while.
        """
        if self._known is not None and waited > ALIKE * self._known:
            self._departures.clear()
            self._known = None
            self._rests_until = now + _WINDOW

    def seconds(self, now: float) -> float | None:
        """The patience; None while none is known."""
        departures, old = self._departures, now - _WINDOW
        if departures and departures[0][0] < old:
            while departures and departures[0][0] < old:
                departures.popleft()
            self._known = self._common()
        return self._known

    def _common(self) -> float | None:
        times = sorted(waited for _, waited in self._departures)
        if len(times) < LEAST:
            return None
        early, late = times[len(times) // 4], times[len(times) * 3 // 4]
        return early if late <= ALIKE * early else None
