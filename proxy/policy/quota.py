"""What a server says of its own limits."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Final

KEYS: Final = 1_000
"""Credentials that are known at a time."""
LONGEST: Final = 60.0
"""Seconds for which a server is left alone on its word."""


class Quota:
    """When one server may be asked next, by what its replies have said.

    Nothing left until a time is a pause until then. Little left is spread over the time until there
    is more, once it has got to be less than ``_FEW`` of what there was.
    """

    __slots__ = ("_most", "_next", "_pace", "_paused", "_until", "remaining")

    _FEW: Final = 0.5

    def __init__(self) -> None:
        self._paused = 0.0
        self._next = 0.0
        self._pace = 0.0
        self._until = 0.0
        self._most = 0.0
        self.remaining: float | None = None
        """Requests that it would still take, where it has said so."""

    def told(self, remaining: float, reset: float, now: float) -> None:
        """It takes so many more within the next ``reset`` seconds."""
        if now >= self._until:
            self._most = remaining
        self._most = max(self._most, remaining)
        self.remaining = remaining
        self._until = now + reset
        if remaining < 1:
            self.pause(now + min(reset, LONGEST))
            self._pace = 0.0
        else:
            few = remaining < self._FEW * self._most
            self._pace = reset / remaining if few else 0.0

    def pause(self, until: float) -> None:
        """It asked to be left alone."""
        self._paused = max(self._paused, until)

    def wait(self, now: float) -> float:
        """Seconds until it may be asked at all."""
        return max(0.0, self._paused - now)

    def turn(self, now: float, patience: float) -> float:
        """Seconds until it is one's turn, now where that would take more than ``patience``.

        Pacing makes the rest last; it is no reason to refuse what the server would take.
        """
        if not self._pace or now >= self._until:
            return 0.0
        wait = max(0.0, self._next - now)
        if wait > patience:
            return 0.0
        self._next = max(self._next, now) + self._pace
        return wait

    def pace(self, now: float) -> float:
        """Seconds that should lie between two requests, 0 where there is plenty."""
        return self._pace if now < self._until else 0.0

    def give_back(self) -> None:
        """Whoever had a turn has left."""
        self._next -= self._pace

    def report(self, now: float) -> dict[str, Any]:
        """Its state for operators."""
        known = self.remaining is not None and now < self._until
        return {
            "wait_s": round(self.wait(now), 3),
            "remaining": self.remaining if known else None,
            "pace_s": round(self._pace, 3) if known else 0.0,
        }


class Quotas:
    """Those of one server: for each credential, and one for what it says to everybody."""

    __slots__ = ("_by_key", "shared")

    def __init__(self) -> None:
        self.shared = Quota()
        self._by_key: OrderedDict[Hashable, Quota] = OrderedDict()

    def of(self, key: Hashable) -> Quota:
        """That of a credential; who has not come for the longest time is forgotten."""
        quota = self._by_key.get(key)
        if quota is None:
            quota = self._by_key[key] = Quota()
            if len(self._by_key) > KEYS:
                self._by_key.popitem(last=False)
        self._by_key.move_to_end(key)
        return quota

    def report(self, now: float) -> dict[str, Any]:
        """The state for operators: of everybody, and of the credential with the longest wait."""
        worst = max(self._by_key.values(), key=lambda each: each.wait(now), default=self.shared)
        return {
            "wait_s": round(self.shared.wait(now), 3),
            "credentials": len(self._by_key),
            "longest": worst.report(now),
        }
