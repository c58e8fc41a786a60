"""How long an attempt may take before another one is the better bet."""

import math
from typing import Final

from proxy.policy.quantile import Quantiles

QUANTILE: Final = 0.95
MULTIPLE: Final = 4.0
"""Of that quantile. Times of an API are log-normal at best: with a sigma of 0.5 one request in a
million takes longer, with a sigma of 1 one in a thousand."""
FLOOR: Final = 0.5
"""Seconds: what waits for less has waited for a pause of a collector or for a lost packet."""
_WINDOW: Final = 300.0


class AttemptBound:
    """Follows what the attempts of a route take."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times = Quantiles(window=_WINDOW)

    def observe(self, seconds: float, now: float) -> None:
        """An attempt was answered after so long."""
        self._times.observe(seconds, now)

    def cut(self, seconds: float, now: float) -> None:
        """One was ended after so long. It would have taken longer: where many are ended, it is the
        bound that is wrong, and it grows."""
        self._times.observe(seconds * MULTIPLE, now)

    def seconds(self, now: float) -> float:
        """The bound; ``math.inf`` while too little is known."""
        usual = self._times.value(QUANTILE, now)
        return math.inf if usual is None else max(MULTIPLE * usual, FLOOR)
