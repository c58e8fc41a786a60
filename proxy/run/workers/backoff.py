"""How long to wait before a worker that has ended is started again."""

from collections import deque
from typing import Final

AT_ONCE: Final = 3
"""Workers of a slot that may end within ``WINDOW`` before there is a wait: chance, not a loop."""
WINDOW: Final = 10.0
FIRST: Final = 0.1
LONGEST: Final = 5.0


class RestartBackoff:
    """Of one slot. Times and waits in seconds."""

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends: deque[float] = deque(maxlen=64)

    def ended(self, now: float) -> float:
        """How long to wait: nothing at first, then twice as long each time."""
        self._ends.append(now)
        while self._ends[0] < now - WINDOW:
            self._ends.popleft()
        beyond = len(self._ends) - AT_ONCE
        return 0.0 if beyond <= 0 else min(LONGEST, FIRST * 2.0 ** (beyond - 1))
