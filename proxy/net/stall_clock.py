"""Peers that take what was written to them slowly, or not at all."""

from typing import Final

LOOKS: Final = 4
"""Within the time that a peer has: it has a quarter more of it at the most. More of them would be
made for all that only wait."""


class StallClock:
    """How long a peer has taken nothing, by looks at what it has not taken.

    Slow is not stuck: bytes that left the kernel since the last look count as taken at that look.
    A peer never has less than its time.
    """

    __slots__ = ("_left", "_seconds", "_since")

    def __init__(self, seconds: float) -> None:
        """``seconds`` in which it has to take something."""
        self._seconds = seconds
        self._left = 0
        self._since = 0.0

    def begin(self, left: int, now: float) -> float:
        """Its time begins, with so many bytes that it has not taken. When to look."""
        self._left = left
        self._since = now
        return self._next(now)

    def look(self, left: int, now: float) -> float | None:
        """So many bytes are left. When to look again; None where its time is over."""
        if left < self._left:
            self._since = now
        elif now >= self._since + self._seconds:
            return None
        self._left = left
        return self._next(now)

    def _next(self, now: float) -> float:
        end = self._since + self._seconds
        return min(now + self._seconds / LOOKS, end) if self._left else end
