"""How many retries there may be."""

from typing import Any

from proxy.policy.window import Window


class Budget:
    """Retries are at most a share of the requests, and may be a few at any load."""

    __slots__ = ("_floor", "_requests", "_share", "_spent", "_window", "refused")

    def __init__(self, percent: float, min_per_second: float, window: float) -> None:
        """``percent`` of the requests of the last ``window`` seconds."""
        self._share = percent / 100
        self._floor = min_per_second * window
        self._requests = Window(window)
        self._spent = Window(window)
        self.refused = 0

    def request(self, now: float) -> None:
        """A first try is made."""
        self._requests.add(now)

    def spend(self, now: float) -> bool:
        """Take one retry, where there is one."""
        if self.available(now) < 1:
            self.refused += 1
            return False
        self._spent.add(now)
        return True

    def available(self, now: float) -> float:
        """Retries that are left."""
        allowed = max(self._floor, self._share * self._requests.total(now))
        return max(0.0, allowed - self._spent.total(now))

    def report(self, now: float) -> dict[str, Any]:
        """Its state for operators."""
        return {
            "requests": self._requests.total(now),
            "spent": self._spent.total(now),
            "available": round(self.available(now), 1),
            "refused": self.refused,
        }
