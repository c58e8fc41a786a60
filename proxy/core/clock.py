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


def never_back(wall: Clock, clock: Clock) -> Clock:
    """Seconds since 1970 for what is stored and grows old: never set back, and never slower.

    ``wall`` may be set back, and ``clock`` stands still while the machine sleeps. Between two looks
    as much has passed as the faster of the two says.
    """
    now = seen_wall = wall()
    seen_clock = clock()

    def look() -> float:
        nonlocal now, seen_wall, seen_clock
        by_wall, by_clock = wall(), clock()
        passed, by_day = by_clock - seen_clock, by_wall - seen_wall
        if by_day > passed and by_day > 0.0:
            now += by_day
        elif passed > 0.0:
            now += passed
        seen_wall, seen_clock = by_wall, by_clock
        return now

    return look
