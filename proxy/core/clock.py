"""The one clock, for all that measures, waits or expires.

It is made here and handed in through constructors. Nobody below `run` asks another one: policies
are given ``now``, middlewares a ``Clock``. The event loop's timers count from the same moment but
may tick in whole milliseconds, so a time of this clock may be given to ``call_at``, but nobody
expects that so much has passed on it when a timer rings.
"""

import time
from collections.abc import Callable
from typing import Final, TypeAlias

Clock: TypeAlias = Callable[[], float]
"""Seconds since a moment that means nothing; never set back."""
monotonic: Final[Clock] = time.monotonic
"""The clock of the proxy."""
wall: Final[Clock] = time.time
"""Seconds since 1970, for logs and dates only: it may be set back."""


_NOISE: Final = 0.5
"""Seconds by which two clocks may seem to differ, since they are read one after the other."""


class Lasting:
    """Seconds since 1970 for what is stored and grows old: never set back, and never slower.

    ``wall`` may be set back, and ``clock`` stands still while the machine sleeps. It goes on with
    ``clock``, and jumps ahead as ``wall`` does. What differs by less than a step of ``wall`` is
    noise; if each look added the larger of two readings, it would gain a minute a day.
    """

    __slots__ = ("_base", "_clock", "_seen", "_wall")

    def __init__(self, wall: Clock, clock: Clock) -> None:
        self._wall, self._clock = wall, clock
        self._base = self._seen = wall() - clock()

    def now(self) -> float:
        """What time it is."""
        clock = self._clock()
        if not -_NOISE < self._wall() - clock - self._seen < _NOISE:
            clock = self._clock()  # once more: the process may have been stopped between both
            seen = self._wall() - clock
            self._base += max(0.0, seen - self._seen)
            self._seen = seen
        return clock + self._base


def never_back(wall: Clock, clock: Clock) -> Clock:
    """Such a time."""
    return Lasting(wall, clock).now
