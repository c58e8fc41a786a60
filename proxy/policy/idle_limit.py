"""How long a server lets connections rest before it closes them: as it says, or has shown."""

import math
from collections import deque
from typing import Final

_REMEMBERED: Final = 300.0
"""Seconds; a server that was restarted, or set up anew, is not taken at its old word for ever."""
_MOST: Final = 16
_CLOSE: Final = 0.8
"""Share of the shortest rest from which on another end like it is near: clocks of servers tick in
whole seconds, and the way there takes time too."""
_MARGIN: Final = 1.0
"""Seconds before the end that a server announces, for the same reasons, but half of a short rest.
What is sent then may meet the end, and a POST is lost by that; a new connection costs less."""


def usable(announced: float | None) -> float:
    """How long a connection may be idle of which the server says so; 0: it is not used again."""
    return math.inf if announced is None else max(announced - _MARGIN, announced / 2)


class Ends:
    """Remembers the rests that ended with the server closing the connection; seconds throughout."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=_MOST)

    def observe(self, rest: float, now: float) -> None:
        """The server closed a connection that had rested for so long."""
        self._seen.append((now, rest))

    def known(self, now: float) -> bool:
        """Whether anything of this is fresh enough to count."""
        while self._seen and now - self._seen[0][0] > _REMEMBERED:
            self._seen.popleft()
        return bool(self._seen)

    def shortest(self, now: float) -> float:
        """A connection that has rested for as long as this may be closed at any moment."""
        if not self.known(now):
            return float("inf")
        return _CLOSE * min(rest for _, rest in self._seen)
