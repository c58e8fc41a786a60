"""What a server says of its own limits."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, NamedTuple

KEYS: Final = 1_000
"""Credentials that are known at a time."""
ONLY: Final = (b"", b"core")
"""The limit of an API that has one, and what GitHub calls the one that most paths count to."""
LONGEST: Final = 60.0
"""Seconds for which a server is left alone on its word."""
SOON: Final = 0.005
"""Seconds that are no wait: whoever waits for the same Retry-After is woken a little early."""


class QuotaState(NamedTuple):
    """What a server has said of the quota of one client."""

    wait: float
    """Seconds until it may ask."""
    remaining: float | None
    """Requests that the server would still take; None where it has not said so."""
    spacing: float
    """Seconds between two requests."""


class QuotasState(NamedTuple):
    """The quotas of one server, as operators see them."""

    path_wait: float
    """Seconds until the last of its paths may be asked."""
    paths: int
    """How many may not be asked now."""
    credentials: int
    """Clients that are known."""
    longest: QuotaState
    """Of the client that waits longest."""


class Quota:
    """When one server may be asked next, by what its replies have said.

    Nothing left until a time is a pause until then. Little left is spread over the time until there
    is more, once it has got to be less than ``_FEW`` of what there was.
    """

    __slots__ = ("_empty", "_most", "_next", "_pace", "_paused", "_until", "limited", "remaining")

    _FEW: Final = 0.5

    def __init__(self) -> None:
        self._paused = 0.0
        self._empty = 0.0
        """When there are more, where nothing was left."""
        self._next = 0.0
        self._pace = 0.0
        self._until = 0.0
        self._most = 0.0
        self.remaining: float | None = None
        """Requests that it would still take, where it has said so."""
        self.limited = False
        """Whether it has ever asked for a pause, or had so little left that it is spread."""

    def update(self, remaining: float, reset: float, now: float) -> None:
        """It takes so many more within the next ``reset`` seconds."""
        if now >= self._until:
            self._most = remaining
        self._most = max(self._most, remaining)
        self.remaining = remaining
        self._until = now + reset
        if remaining < 1:
            self._empty = max(self._empty, now + min(reset, LONGEST))
            self._pace = 0.0
            self.limited = True
        else:
            few = remaining < self._FEW * self._most
            self._pace = reset / remaining if few else 0.0
            self.limited |= few

    def pause(self, until: float) -> None:
        """It asked to be left alone, as Retry-After says it: that counts more than a quota does."""
        self._paused = max(self._paused, until)
        self._empty = 0.0
        self.limited = True

    def blocked_for(self, now: float) -> float:
        """Seconds until it may be asked at all."""
        return max(0.0, self._paused - now, self._empty - now)

    def turn_in(self, now: float) -> float:
        """Seconds until the next one's turn.

        Pacing makes the rest last; it is no reason to refuse what the server would take.
        """
        return max(0.0, self._next - now) if self.spacing(now) else 0.0

    def take_turn(self, now: float) -> "Turn":
        """Take the next turn, which comes in ``turn_in`` seconds."""
        before = max(self._next, now)
        self._next = before + self.spacing(now)
        return Turn(self, before, self._next)

    def spacing(self, now: float) -> float:
        """Seconds that should lie between two requests, 0 where there is plenty."""
        return self._pace if now < self._until else 0.0

    def give_back(self, turn: "Turn") -> None:
        """Whoever had this turn does not use it: if it is the last one, somebody else may have it.

        Those behind it keep theirs: two would have the same otherwise.
        """
        if self._next == turn.following:
            self._next = turn.at

    def state(self, now: float) -> QuotaState:
        """How things stand."""
        known = self.remaining is not None and now < self._until
        return QuotaState(
            self.blocked_for(now), self.remaining if known else None, self._pace if known else 0.0
        )


class Turn:
    """The place of a request among those that are spread over the time until there are more."""

    __slots__ = ("_quota", "at", "following", "used")

    def __init__(self, quota: Quota | None, at: float, following: float) -> None:
        """``following``: when the next one's turn is."""
        self._quota = quota
        self.at = at
        self.following = following
        self.used = False

    @property
    def anywhere(self) -> bool:
        """Whether it is its turn everywhere, since it can wait no longer."""
        return self._quota is None

    def use(self, quota: Quota) -> bool:
        """Whether it is a turn of this quota; it is used then, and no copy has it again."""
        is_its = self.anywhere or (self._quota is quota and not self.used)
        self.used |= is_its
        return is_its

    def end(self) -> None:
        """The wait for the turn is over: give it back if it was not used."""
        if self._quota is not None and not self.used:
            self._quota.give_back(self)


def at_once() -> Turn:
    """The turn of a request that can wait for none."""
    return Turn(None, 0.0, 0.0)


class Quotas:
    """Those of one server: for each client, and when each of its paths may be asked again."""

    __slots__ = ("_by_key", "budgets", "paths")

    def __init__(self) -> None:
        self.budgets: OrderedDict[Hashable, bytes] = OrderedDict()
        """Which of several limits a path counts to; empty where there is only one."""
        self.paths: OrderedDict[Hashable, float] = OrderedDict()
        """Until when each of those is left alone that have asked for that."""
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

    def budget(self, path: Hashable) -> bytes:
        """Which of several limits a path counts to; empty for the main one, or where unknown."""
        return self.budgets.get(path, b"")

    def name_budget(self, path: Hashable, budget: bytes) -> None:
        """A path counts to this one."""
        self.budgets[path] = budget
        self.budgets.move_to_end(path)
        if len(self.budgets) > KEYS:
            self.budgets.popitem(last=False)

    def pause_path(self, path: Hashable, until: float) -> None:
        """One path asked to be left alone."""
        until = max(until, self.paths.pop(path, 0.0))
        self.paths[path] = until
        if len(self.paths) > KEYS:
            self.paths.popitem(last=False)

    def path_wait(self, path: Hashable, now: float) -> float:
        """Seconds until a path may be asked."""
        until = self.paths.get(path)
        if until is None:
            return 0.0
        if until <= now:
            del self.paths[path]
            return 0.0
        return until - now

    def state(self, now: float) -> QuotasState:
        """How things stand with the paths, and with the client that waits longest."""
        worst = max(self._by_key.values(), key=lambda each: each.blocked_for(now), default=Quota())
        longest = max(self.paths.values(), default=now)
        return QuotasState(
            max(0.0, longest - now),
            sum(until > now for until in self.paths.values()),
            len(self._by_key),
            worst.state(now),
        )
