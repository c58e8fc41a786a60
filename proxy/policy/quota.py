"""What a server says of its own limits."""

from typing import Any, Final

LONGEST: Final = 60.0
"""Seconds for which a server is left alone on its word."""


class Quota:
    """When one server may be asked next, by what its replies have said.

    Nothing left until a time is a pause until then. Little left is spread over the time until there
    is more, once it has got to be less than ``_FEW`` of what there was.
    """

    __slots__ = ("_most", "_next", "_pace", "_until", "remaining")

    _FEW: Final = 0.5

    def __init__(self) -> None:
        self._next = 0.0
        self._pace = 0.0
        self._until = 0.0
        self._most = 0.0
        self.remaining: float | None = None
        """Requests that it would still take, where it has said so."""

    def told(self, remaining: float, reset: float, now: float) -> None:
        """It takes so many more within the next ``reset`` seconds."""
        reset = min(reset, LONGEST)
        if now >= self._until:
            self._most = remaining
        self._most = max(self._most, remaining)
        self.remaining = remaining
        self._until = now + reset
        if remaining < 1:
            self.pause(now + reset)
            self._pace = 0.0
        else:
            few = remaining < self._FEW * self._most
            self._pace = reset / remaining if few else 0.0

    def pause(self, until: float) -> None:
        """It asked to be left alone."""
        self._next = max(self._next, until)

    def wait(self, now: float) -> float:
        """Seconds until it may be asked."""
        return max(0.0, self._next - now)

    def take(self, now: float) -> float:
        """Ask it: seconds to wait before. Whoever comes next waits for its own turn."""
        wait = self.wait(now)
        if self._pace and now < self._until:
            self._next = max(self._next, now) + self._pace
        return wait

    def report(self, now: float) -> dict[str, Any]:
        """Its state for operators."""
        known = self.remaining is not None and now < self._until
        return {
            "wait_s": round(self.wait(now), 3),
            "remaining": self.remaining if known else None,
            "pace_s": round(self._pace, 3) if known else 0.0,
        }
