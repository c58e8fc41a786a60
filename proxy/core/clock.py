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
