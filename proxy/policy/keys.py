"""Several keys for one API: which one is shown next."""

import math
from collections.abc import Collection, Sequence
from typing import Final

from proxy.policy.quota import LONGEST, ONLY, Quota

REFUSED_FOR: Final = 60.0
"""Seconds for which a key that the upstream does not know is left out."""
_UNSAID: Final = 1.0
"""Seconds for which a key is left alone that got a 429 without a time."""


class Key:
    """Credentials under a name, and what the upstream has said of them.

    Times are on the clock of whoever asks. The quota is the key's own, for all servers of the
    upstream.
    """

    __slots__ = ("_asked", "exceeded", "field", "name", "quota", "refused",
                 "refused_until", "requests", "told_until", "turn", "usable_until")  # fmt: skip

    def __init__(self, name: str, field: tuple[bytes, bytes] | None = None) -> None:
        self.name = name
        self.field = field
        """The field that shows it; None where there is none now."""
        self.usable_until = math.inf
        """When the field's value expires."""
        self.quota = Quota()
        self.refused_until = 0.0
        """Until when it is left out, since the upstream does not know it (401)."""
        self.told_until = 0.0
        """Until when another refusal is no news."""
        self.turn = 0
        """When it was chosen last, counted in choices."""
        self._asked = 0
        """Requests since the upstream has said how much is left."""
        self.requests = 0
        """Requests that have shown it."""
        self.exceeded = 0
        """How many of ``requests`` got a 429."""
        self.refused = 0
        """How many of ``requests`` got a 401."""

    def blocked_for(self, now: float) -> float:
        """Seconds until it may be shown."""
        return max(self.quota.blocked_for(now), self.refused_until - now, 0.0)

    def usable(self, now: float) -> bool:
        """Whether there is a value to show."""
        return self.field is not None and now < self.usable_until

    def left(self, now: float) -> float:
        """Requests that the upstream would still take; infinite where it has not said so."""
        remaining = self.quota.state(now).remaining
        return math.inf if remaining is None else remaining - self._asked

    def spend(self) -> None:
        """A request shows it."""
        self.requests += 1
        self._asked += 1

    def told(self, remaining: float, reset: float, now: float, budget: bytes = b"") -> None:
        """The upstream takes so many more within the next ``reset`` seconds.

        ``budget``: of several limits this one. Only the main one counts: a key whose searches are
        used up is as good as any for the rest.
        """
        if budget in ONLY:
            self.quota.update(remaining, reset, now)
            self._asked = 0

    def exceed(self, seconds: float | None, now: float) -> None:
        """Its quota is used up for so long, where that is said."""
        self.exceeded += 1
        if seconds is not None or not self.quota.blocked_for(now):
            self.quota.pause(now + (_UNSAID if seconds is None else min(seconds, LONGEST)))

    def refuse(self, now: float, *, alone: bool = False) -> bool:
        """The upstream does not know it; ``alone``: it is shown all the same. Whether that is news.

        Where it is alone, it is news once in that time. Else it is shown again only when that is
        over, or where nothing else could be.
        """
        self.refused += 1
        if alone:
            if news := now >= self.told_until:
                self.told_until = now + REFUSED_FOR
        else:
            news = not self.blocked_for(now)
            self.refused_until = now + REFUSED_FOR
        return news

    def renew(self, field: tuple[bytes, bytes], usable_until: float = math.inf) -> None:
        """It has another value, of which nothing bad is known."""
        self.field = field
        self.usable_until = usable_until
        self.refused_until = 0.0


class Keys:
    """Chooses the key with most left; those of which as much is left take turns.

    A key that has no value now, since its token is still to come, is the last.
    """

    __slots__ = ("_all",)

    def __init__(self, keys: Sequence[Key]) -> None:
        self._all = tuple(keys)

    def free(self, now: float, tried: Collection[Key] = ()) -> Key | None:
        """The next key of those that may be shown now, but for those that were tried."""
        free = [key for key in self._all if key not in tried and not key.blocked_for(now)]
        return self._choose(free, now)

    def coming(self, now: float) -> Key | None:
        """Of the keys that the upstream takes the one whose quota has requests first."""
        known = [key for key in self._all if key.refused_until <= now]
        return min(known, key=lambda key: (key.quota.blocked_for(now), key.turn), default=None)

    def soonest(self, now: float) -> Key:
        """The key whose quota has requests first, where none may be shown now.

        Where only keys that were refused have some, that is one of those: asking is better than
        never, and the answer is the upstream's own.
        """

        def order(key: Key) -> tuple[float, float, int]:
            return key.quota.blocked_for(now), key.refused_until, key.turn

        first = min(self._all, key=order)
        first.turn = self._next_turn()
        return first

    def _choose(self, free: Sequence[Key], now: float) -> Key | None:

        def order(key: Key) -> tuple[bool, float, int]:
            return not key.usable(now), -key.left(now), key.turn

        chosen = min(free, key=order, default=None)
        if chosen is not None:
            chosen.turn = self._next_turn()
        return chosen

    def _next_turn(self) -> int:
        """Higher than that of any: keys may be chosen from by two generations at a time."""
        return 1 + max(key.turn for key in self._all)
