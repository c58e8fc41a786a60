"""How long to wait before trying again."""

import random


class Backoff:
    """Full jitter: a random part of a wait that doubles each time, up to a longest one."""

    __slots__ = ("_base", "_longest", "_rng")

    def __init__(self, base: float, longest: float, rng: random.Random) -> None:
        """``base`` and ``longest`` in seconds, zero for no longest wait."""
        self._base = base
        self._longest = longest or float("inf")
        self._rng = rng

    def wait(self, attempt: int) -> float:
        """Seconds to wait after the ``attempt``-th send, counted from 1."""
        # 2**attempt of a long life would not fit a float; 30 doublings pass any longest wait.
        return self._rng.uniform(0, min(self._longest, self._base * 2 ** min(attempt - 1, 30)))
