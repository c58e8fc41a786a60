"""Requests by the second, for each of many clients."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

KEYS: Final = 10_000
"""Clients that are known at a time; who has not been seen for the longest time is forgotten."""


class TokenBuckets:
    """A bucket of tokens for each key, as a time: when it would be full again.

    A request is let through where that time is no more than ``burst`` requests ahead of now (the
    generic cell rate algorithm), so one number says all there is to know of a client. Whoever is
    let through later than now has its place in the line already.
    """

    __slots__ = ("_burst", "_full_at", "_keys", "_pace")

    def __init__(self, rate: float, burst: float, keys: int = KEYS) -> None:
        """``rate`` a second; ``burst``: requests at once, at least 1."""
        self._pace = 1.0 / rate
        self._burst = max(burst, 1.0)
        self._keys = keys
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()

    def follow(self, rate: float, burst: float, now: float) -> None:
        """Go on at this rate: what each client has used counts, and is given back at the new one.

        Nobody has used more than a whole ``burst``, however much more there was before. Whoever has
        its place in the line already keeps it; a lower rate puts others after the last of them.
        """
        pace, had = self._pace, self._burst
        self._pace, self._burst = 1.0 / rate, max(burst, 1.0)
        if (pace, had) == (self._pace, self._burst):
            return
        factor, all_used = self._pace / pace, self._burst * self._pace
        for key, full_at in self._full_at.items():
            owed = max(0.0, full_at - now)
            in_line = max(0.0, owed - had * pace)
            self._full_at[key] = now + min(owed * factor, in_line + all_used)

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, key: Hashable, now: float, patience: float = 0.0) -> tuple[bool, float]:
        """Whether a token is taken, and seconds until it counts, or until there would be one.

        One that counts in no more than ``patience`` seconds is taken now.
        """
        known = self._full_at
        full_at = known.get(key, now)
        if full_at < now:  # noqa: PLR1730 - each request comes here, and max() is a call
            full_at = now
        wait = full_at - now + (1.0 - self._burst) * self._pace
        if wait <= 0.0:
            wait = 0.0
        elif wait > patience + 1e-9:
            return False, wait
        known[key] = full_at + self._pace
        known.move_to_end(key)
        if len(known) > self._keys:
            known.popitem(last=False)
        return True, wait

    def give_back(self, key: Hashable) -> None:
        """Take back a token that was not used."""
        if key in self._full_at:
            self._full_at[key] -= self._pace

    def left(self, key: Hashable, now: float) -> float:
        """Requests that would be let through at once."""
        ahead = max(0.0, self._full_at.get(key, now) - now)
        return max(0.0, self._burst - ahead / self._pace)

    def lowest(self, now: float) -> dict[Hashable, float]:
        """What is left to the ten with the least."""
        ahead = sorted(self._full_at.items(), key=lambda item: -item[1])[:10]
        return {key: round(self.left(key, now), 1) for key, _ in ahead}
