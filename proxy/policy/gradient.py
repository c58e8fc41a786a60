"""How many requests at a time an API sustains, found from how long it takes."""

import math
from typing import Final

_FIRST: Final = 16
_FEWEST: Final = 10
_ENOUGH: Final = 24
_MOST: Final = 400
_PASSES: Final = 8
"""Answers in a round: as many as make its mean sure, but no more than so many for each permit."""
_SURE: Final = 0.03
"""Standard error of the mean that is good enough; all means are of logarithms, so of shares."""
_CLEAR: Final = 4.0
"""Standard errors above what is well at which a round need not go on."""
TOLERANCE: Final = 0.10
"""What it may take longer than usual: so much queueing inside the API shows where its limit is."""
_BUSY: Final = 0.8
"""Share of the permits that were taken at a time in a round that can say something of the limit."""
_STEP: Final = 0.06
_FASTER: Final = 3.0
"""The first of several steps up, as a share of the limit, and how much larger the next one is."""
_EVERY: Final = 16
_DIP: Final = 0.85
"""Every so many rounds the limit is lowered to that for one, which shows what is usual."""
_DOUBT: Final = 4
_MUCH: Final = 0.4
"""After so many rounds in a row that were too slow, but not by much, likewise."""
_CUT: Final = 0.5
"""Lowered to that, a limit has to have made a difference, ..."""
_HELPED: Final = 0.4
"""... and so much of the one that it would make if requests queued."""
_LEARN: Final = 0.3
_REFUSED: Final = 0.1
"""Share of refusals above which an API has too much to do. Fewer are about quotas, or about one
client: an API with plenty of room refuses a few percent too."""
_LASTING: Final = 1 / 64
"""What each outcome takes of the weight of those before it."""
_SETTLED: Final = 2.0
"""Times what answers take now, after which a lowered limit shows in all of them."""
_SETTLING: Final = 3
"""Usual times that pass until the first round begins."""


class Baseline:
    """How long a route takes while nothing is in its way."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0
        """Seconds, 0 where nothing is known."""


class Gradient:
    """A limit that follows the API.

    Latencies are looked at in rounds, as shares of what is usual on their route. A round is over as
    soon as its mean is known well enough, or is clearly another one. Where it shows no more than a
    little queueing inside the API the limit grows, the faster the longer that goes well; otherwise
    it shrinks by as much as it is too slow. Every now and then it is lowered a little for one
    round, which shows what is usual without any queueing; nothing is ever pinned to a minimum. And
    where much less at a time takes just as long, it was not the queue: that is usual from then on.
    """

    __slots__ = (
        "_baselines",
        "_busy",
        "_changed",
        "_cut",
        "_growth",
        "_least",
        "_level",
        "_lowered",
        "_mean",
        "_most",
        "_n",
        "_outcomes",
        "_probing",
        "_refused",
        "_rounds",
        "_slow",
        "_squares",
        "_sum",
    )

    def __init__(self, least: int, most: int) -> None:
        self._least = least
        self._most = most
        self._level = float(min(max(_FIRST, least), most))
        self._changed = -math.inf
        self._growth = 0.0
        self._mean = 0.0
        """What the last round showed."""
        self._slow = 0
        """Rounds in a row that were too slow."""
        self._lowered = False
        self._rounds = 0
        self._probing = 0.0
        """What the limit was before it was lowered for one round; 0 in all others."""
        self._cut: tuple[float, float] | None = None
        """Limit and log ratio of a round after which the limit was cut."""
        self._outcomes = 0.0
        self._refused = 0.0
        """Of them, both by weight."""
        self._baselines: dict[Baseline, tuple[int, float]] = {}
        """Those of the round: answers, and the sum of their logarithms."""
        self._clear()

    def _clear(self) -> None:
        self._n = 0
        self._sum = self._squares = 0.0
        self._busy = 0
        self._baselines.clear()

    @property
    def limit(self) -> int:
        """Requests at a time."""
        return round(self._level)

    def observe(self, usual: Baseline, seconds: float, now: float, in_flight: int) -> bool:
        """A request took so long. Whether the limit has changed.

        ``usual``: of its route; ``in_flight``: requests under way, this one included.
        """
        self._outcomes += 1.0 - self._outcomes * _LASTING
        self._refused -= self._refused * _LASTING
        seconds = max(seconds, 1e-6)
        if not usual.value:
            usual.value = seconds
            self._changed = now
        if self._lowered:
            # What began before was slowed by what is gone now.
            if in_flight > self.limit:
                self._changed = now
            # Short ones are the first to come back: until the usual ones do, a mean is too low.
            settled = _SETTLED * usual.value * math.exp(max(self._mean, 0.0))
            if now - max(seconds, settled) < self._changed:
                return False
        elif now - self._changed < usual.value * (1 if self._rounds else _SETTLING):
            return False
        x = math.log(seconds / usual.value)
        count, total = self._baselines.get(usual, (0, 0.0))
        self._baselines[usual] = (count + 1, total + x)
        self._n += 1
        self._sum += x
        self._squares += x * x
        self._busy = max(self._busy, in_flight)
        n = self._n
        if n < _FEWEST:
            return False
        mean = self._sum / n
        error = math.sqrt(max(self._squares / n - mean * mean, 0.0) / n)
        if (
            n < min(max(_PASSES * self._level, _ENOUGH), _MOST)
            and error > _SURE
            and (not self._rounds or mean < _CLEAR * error + TOLERANCE)
        ):
            return False
        return self._round(mean, error, now)

    def restart(self) -> None:
        """What is usual has been told apart: the round would mix the one with the other."""
        self._clear()

    def overloaded(self, now: float) -> bool:
        """The API says so itself, or does not answer in time. Whether the limit has changed."""
        self._outcomes += 1.0 - self._outcomes * _LASTING
        self._refused += 1.0 - self._refused * _LASTING
        if self._refused <= _REFUSED * self._outcomes or now - self._changed < 0.1:
            return False
        self._growth = 0.0
        return self._set(self._level * 0.9, now)

    def _round(self, mean: float, error: float, now: float) -> bool:
        """What a round says: the mean of the logarithms of ratios, and how uncertain it is."""
        busy = self._busy >= _BUSY * self._level
        mean = self._learned(mean, error, busy=busy)
        self._rounds += 1
        self._mean = mean
        mean -= max(error - _SURE, 0.0)  # what is uncertain is taken to be well
        if self._probing:
            level, self._probing = self._probing, 0.0
            return self._set(level, now)
        level = self._level
        slow = mean > TOLERANCE
        self._slow = self._slow + 1 if slow else 0
        if self._doubtful(mean) or (not slow and busy and self._rounds % _EVERY == 0):
            self._slow = 0
            self._probing = level
            return self._set(level * _DIP, now)
        if slow:
            self._growth = 0.0
            if self._cut is None and self._slow > 1:
                self._cut = (level, mean)
            return self._set(level * max(math.exp(TOLERANCE - mean), 0.5), now)
        self._cut = None
        if not busy:
            return self._set(level, now)
        # While it grows by leaps, noise is no reason to stop: too much of it ends a round early.
        if mean > TOLERANCE / 2 and self._growth <= _STEP * level:
            return self._set(level * math.exp(TOLERANCE - mean), now)
        step = max(self._growth, _STEP * level, 1.0)
        self._growth = min(_FASTER * step, level / 2)
        return self._set(level + step, now)

    def _doubtful(self, mean: float) -> bool:
        """Whether it seems to be too slow whatever the limit is."""
        return self._slow >= _DOUBT and (mean < _MUCH or self._level <= self._least)

    def _learned(self, mean: float, error: float, *, busy: bool) -> float:
        """Correct what is usual by a round; what the round says then."""
        level = self._level
        if self._cut is not None and mean > self._cut[1] + TOLERANCE:
            self._cut = None  # it is still getting worse: this may be how it begins only
            self._slow = 0
        elif self._cut is not None and level <= max(_CUT * self._cut[0], self._least):
            first, before = self._cut
            self._cut = None
            if mean > before + _HELPED * math.log(level / first):
                self._shift()
                return 0.0
        if not self._rounds or mean < -TOLERANCE - 2 * error:
            self._shift()
            return 0.0
        if self._probing and mean < self._mean + TOLERANCE:  # else something else has changed
            helped = mean < self._mean + _HELPED * math.log(_DIP)
            self._shift(_LEARN if helped else 1.0)
        elif not self._probing and not busy:
            self._shift(_LEARN)
        return mean

    def _shift(self, share: float = 1.0) -> None:
        """What the round showed is usual: each takes so much of what its own answers say."""
        for usual, (count, total) in self._baselines.items():
            usual.value *= math.exp(share * total / count)

    def _set(self, level: float, now: float) -> bool:
        was = self.limit
        self._lowered = level < 0.95 * self._level and not self._probing
        self._level = min(max(level, self._least), float(self._most))
        self._changed = now
        self._clear()
        return self.limit != was
