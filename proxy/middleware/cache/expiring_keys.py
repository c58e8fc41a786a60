"""Keys that are forgotten after a second, or after as long as their owner says."""

from collections import OrderedDict
from typing import Final

from proxy.core.clock import Clock

_SECONDS: Final = 1.0
"""For which a stale entry is the answer at once, after the upstream has failed for it."""
_MOST: Final = 4096


class ExpiringKeys:
    """A set of keys, each of which expires: those for which the upstream has just failed, say."""

    __slots__ = ("_clock", "_seconds", "_until")

    def __init__(self, clock: Clock, seconds: float = _SECONDS) -> None:
        """``seconds``: after which a key expires."""
        self._clock = clock
        self._seconds = seconds
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def add(self, key: bytes) -> None:
        """Hold it from now on; where there are too many, the oldest goes."""
        self._until[key] = self._clock() + self._seconds
        self._until.move_to_end(key)
        if len(self._until) > _MOST:
            self._until.popitem(last=False)

    def holds(self, key: bytes) -> bool:
        """Whether it was added and has not expired."""
        until = self._until.get(key)
        if until is None:
            return False
        if self._clock() < until:
            return True
        del self._until[key]
        return False
