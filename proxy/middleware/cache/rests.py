"""Keys for which something holds for a while."""

from collections import OrderedDict
from typing import Final

from proxy.core.clock import Clock

_REST: Final = 1.0
"""Seconds for which a stale entry is the answer at once, after the upstream has failed for it."""
_MOST_RESTING: Final = 4096


class Rests:
    """Keys for which the upstream has just failed, or what else holds for a while."""

    __slots__ = ("_clock", "_rest", "_until")

    def __init__(self, clock: Clock, rest: float = _REST) -> None:
        """``rest`` in seconds."""
        self._clock = clock
        self._rest = rest
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def begin(self, key: bytes) -> None:
        """It has failed now: it is left alone."""
        self._until[key] = self._clock() + self._rest
        self._until.move_to_end(key)
        if len(self._until) > _MOST_RESTING:
            self._until.popitem(last=False)

    def under_way(self, key: bytes) -> bool:
        """Whether it is left alone."""
        until = self._until.get(key)
        if until is None:
            return False
        if self._clock() < until:
            return True
        del self._until[key]
        return False
