"""For how long equal requests join a call of which nothing comes."""

import math
from collections import deque
from typing import Final

LEAST: Final = 5.0
"""Seconds. As nginx has it (``proxy_cache_lock_age``)."""
_USUAL: Final = 0.95
"""The quantile of what the last calls took up to their heads."""
_MULTIPLE: Final = 2.0
"""Of that quantile. With log-normal times and a sigma of 0.5, one call in a thousand takes
longer."""
_KNOWN: Final = 20
"""Calls below which nothing is known: a p95 is one of twenty."""
_KEPT: Final = 128
"""Calls that say what is usual: few, so that a change is noticed soon."""


class UsualTime:
    """How long the calls of one route take; how long that lets others join one."""

    __slots__ = ("_times", "observe")

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=_KEPT)
        self.observe = self._times.append
        """The head of a reply has come after so many seconds."""

    def joined_for(self) -> float:
        """Seconds without a byte from the upstream for which requests join a call."""
        known = len(self._times)
        if known < _KNOWN:
            return LEAST
        usual = sorted(self._times)[math.ceil(_USUAL * known) - 1]
        return max(LEAST, _MULTIPLE * usual)
