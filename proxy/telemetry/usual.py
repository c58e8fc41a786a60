"""What is usual on a route, so that what is not stands out."""

from typing import Final

from proxy.telemetry.phases import NAMES, Phases

MEMORY: Final = 600.0
"""Seconds over which what is usual is forgotten."""
DOUBT: Final = 0.1
"""How much slower it is learnt while something is wrong: a fault must not become usual soon."""
ENOUGH: Final = 20
"""Calls after which it is known."""
UNKNOWN: Final = 1.0
"""Seconds of a phase that are long where nothing is known yet."""
FLOOR: Final = 0.25
"""Seconds of a phase that are never long."""
TIMES: Final = 3.0
"""How many times as long as usual is long."""
_RATE: Final = 1 << 20
"""Bytes a second: a body that comes that fast is large, not slow."""


class Usual:
    """Of one route: the mean of each phase, as lately seen."""

    __slots__ = ("_calls", "_seconds", "limits", "slow")

    def __init__(self) -> None:
        self._calls = 0.0
        self._seconds = [0.0] * len(NAMES)
        self.limits = [UNKNOWN] * len(NAMES)
        """Seconds from which on each phase is long."""
        self.slow = FLOOR
        """Seconds from which on a call is slow enough to be kept as an example."""

    def learn(self, calls: int, seconds: list[float], *, doubt: bool) -> None:
        """A second has passed in which this many calls ended; ``doubt``: some of them badly."""
        keep = 1.0 - (DOUBT if doubt else 1.0) / MEMORY
        weight = DOUBT if doubt and self._calls >= ENOUGH else 1.0
        self._calls = self._calls * keep + calls * weight
        self._seconds = [
            known * keep + more * weight for known, more in zip(self._seconds, seconds, strict=True)
        ]
        if self._calls >= ENOUGH:
            means = [each / self._calls for each in self._seconds]
            self.limits = [max(FLOOR, mean * TIMES) for mean in means]
            self.slow = max(FLOOR, 2 * sum(means))

    def mean(self, phase: str) -> float | None:
        """Seconds of a phase; None where too little is known."""
        if self._calls < ENOUGH or phase not in NAMES:
            return None
        return round(self._seconds[NAMES.index(phase)] / self._calls, 4)

    def unusual(self, spent: Phases, bytes_out: int) -> str:
        """The phase that is long, the one that is so by most; empty where none is."""
        worst, found = 0.0, ""
        for name, seconds, limit in zip(NAMES, spent, self.limits, strict=True):
            if seconds - limit > worst and (name != "body" or bytes_out < seconds * _RATE):
                worst, found = seconds - limit, name
        return found
