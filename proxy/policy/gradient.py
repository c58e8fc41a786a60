"""How many requests at a time an API sustains, found from how long it takes.

A round is so many answers that their mean is known well enough: after the limit has grown, or
where answers take far longer than expected, that is soon. What it says goes into
``policy/capacity``, and the limit becomes what is best by all that is known. Mostly it stays there.
Every few rounds one round is at another limit:

- higher, to see whether the API sustains more by now. As long as that is in doubt, the next round
  is at one that is higher still;
- lower, more seldom, to see what is usual without any queueing inside the API.

Both differ by one at least: a fifth more than 2 would be none. The second round is at half of the
first limit. If answers are quicker there, the API was given too many from the beginning.

After a limit has been lowered, answers to requests that began before say nothing of it.
"""

import math
from typing import Final

from proxy.policy.capacity import Capacity
from proxy.policy.refusals import Refusals

_FIRST: Final = 16
_FEWEST: Final = 10
_ENOUGH: Final = 24
_MOST: Final = 400
_SHORTEST: Final = 0.05
"""Seconds of a round at least: an API that answers thousands a second changes no faster than others
do, and what a round costs is more than a hundred answers do."""
_PASSES: Final = 4
"""Answers in a round: as many as make its mean sure, but no more than so many for each permit."""
_SURE: Final = 0.03
"""Standard error of the mean that is good enough; all means are of logarithms, so of shares."""
_SUREST: Final = 0.01
_QUICK: Final = 0.1
"""The same, where the limit has just grown: if that was wrong, it shows by more than a little."""
_GROWN: Final = 1.05
_SURPRISING: Final = 0.4
"""What answers take longer than expected, above which the API has probably changed, ..."""
_OF_SURPRISE: Final = 0.2
"""... the share of what is above that which is good enough as an error: limits fall soon, ..."""
_MIXED: Final = 0.5
"""... and the share which is added to the error: the mean is of before and after the change."""
_BUSY: Final = 0.8
"""Share of the permits that were taken at a time in a round after which the limit may grow."""
_UP: Final = 1.3
_DOWN: Final = 0.5
"""What the limit becomes at most and at least after a round, as a share of what it was."""
_EVERY: Final = 7
"""Rounds from one look at a higher limit to the next."""
_FARTHEST: Final = 0.25
_NEAREST: Final = 0.15
_ERRORS: Final = 2.2
"""How far away it looks, as a share of the limit: so many standard errors of a round."""
_LOWER: Final = 0.75
"""Of that, when it looks at a lower one, ..."""
_LOWER_ONE_IN: Final = 6
"""... which is once for so many looks at a higher one."""
_DOUBT: Final = 0.08
"""Probability of more above which it looks once more, higher still."""
_EVEN: Final = 0.5
_SETTLED: Final = 2.0
"""Times what answers take now, after which a lowered limit shows in all of them."""
_SETTLING: Final = 3
"""Usual times that pass until the first round begins."""
_CUTS: Final = 0.1
"""Seconds from one cut for refusals to the next: those that are under way may be refused too."""
_CALM: Final = 0.3
"""Seconds from a cut for refusals until the limit may grow: of a quick API, there are many more
rounds than cuts, and answers that are in time say nothing of what is refused."""
_MOSTLY: Final = 0.5
"""Share of the answers of a round above which it is about the proxy, if these came at once."""
_REMEMBERED: Final = 1000
"""Answers of a route after which what is usual on it changes no faster."""


class Baseline:
    """How long a route takes while nothing is in its way."""

    __slots__ = ("answers", "value")

    def __init__(self, value: float = 0.0, answers: int = 0) -> None:
        self.value = value
        """Seconds, 0 where nothing is known. What all routes have in common, Capacity knows."""
        self.answers = answers
        """How many it is the mean of."""

    def learn(self, difference: float, count: int) -> None:
        """So many answers took so much longer; of logarithms."""
        self.answers = min(self.answers + count, _REMEMBERED)
        self.value *= math.exp(difference * min(count / self.answers, 1.0))


class Gradient:
    """A limit that follows the API."""

    __slots__ = (
        "_after",
        "_at_once",
        "_baselines",
        "_began",
        "_busy",
        "_capacity",
        "_changed",
        "_cut",
        "_error",
        "_expected",
        "_fewest",
        "_in_flight",
        "_least",
        "_level",
        "_lowered",
        "_mean",
        "_most",
        "_n",
        "_refusals",
        "_rounds",
        "_squares",
        "_sum",
        "_surprised",
        "_tried",
        "limit",
    )

    def __init__(self, least: int, most: int) -> None:
        self._least = least
        self._most = most
        self._level = float(min(max(_FIRST, least), most))
        self.limit = round(self._level)
        """Requests at a time."""
        self._capacity = Capacity(least, most)
        self._changed = self._began = -math.inf
        """When the limit changed, and when the round began."""
        self._cut = -math.inf
        """When refusals last moved the limit."""
        self._mean = 0.0
        """What the last round showed."""
        self._lowered = False
        self._error, self._fewest = _SURE, float(_FEWEST)
        """With which the round is over: standard error, and answers."""
        self._expected = math.inf
        """Its mean, by what is believed."""
        self._surprised = False
        """Whether the last one was far above that."""
        self._rounds = 0
        self._after = 0.0
        """The limit that a look at another one began from; 0 while there is none."""
        self._tried = 0.0
        """The higher limit that it looks at; 0 while it does not."""
        self._refusals = Refusals()
        self._baselines: dict[Baseline, tuple[int, float]] = {}
        """Those of the round: answers, and the sum of their logarithms."""
        self._clear()

    def _clear(self) -> None:
        self._n = self._at_once = 0
        self._sum = self._squares = self._in_flight = 0.0
        self._busy = 0
        self._baselines.clear()

    def observe(
        self, usual: Baseline, seconds: float, now: float, in_flight: int, *, at_once: bool = False
    ) -> bool:
        """A request took so long. Whether the limit has changed.

        ``usual``: of its route; ``in_flight``: requests under way, this one included. ``at_once``:
        it was the proxy itself that took so long, as far as can be told.
        """
        limit = self.limit
        self._refusals.count(self._level, refused=False, busy=in_flight >= _BUSY * limit)
        seconds = max(seconds, 1e-6)
        if not usual.value:
            usual.value = seconds
            self._changed = self._began = now
        if self._lowered:
            # What began before was slowed by what is gone now.
            if in_flight > limit:
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
        self._at_once += at_once
        self._sum += x
        self._squares += x * x
        self._in_flight += in_flight
        self._busy = max(self._busy, in_flight)
        n = self._n
        if n < self._fewest or now < self._began + _SHORTEST:
            return False
        mean = self._sum / n
        error = math.sqrt(max(self._squares / n - mean * mean, 0.0) / n)
        beyond = mean - self._expected - _SURPRISING
        unsure = error > self._error and error > _OF_SURPRISE * beyond
        if unsure and n < min(max(_PASSES * self._level, _ENOUGH), _MOST):
            return False
        return self._round(mean, max(error, _SUREST), now)

    def restart(self) -> None:
        """What is usual has been told apart: the round would mix the one with the other."""
        self._clear()

    def overloaded(self, now: float, in_flight: int) -> bool:
        """The API says so itself, or does not answer in time. Whether the limit has changed.

        ``in_flight`` as in ``observe``.
        """
        refusals, busy = self._refusals, in_flight >= _BUSY * self.limit
        refusals.count(self._level, refused=True, busy=busy)
        if before := refusals.returns(self._level):
            self._capacity.recall()
            self._cut = now
            return self._set(before, now)
        if not refusals.too_many(self._level, busy=busy) or now - self._cut < _CUTS:
            return False
        if refusals.lowered(self._level):
            self._capacity.remember()
        self._capacity.refused(self._level)
        self._after = self._tried = 0.0
        self._cut = now
        return self._set(self._level * 0.9, now)

    def _round(self, mean: float, error: float, now: float) -> bool:
        """What a round says: the mean of the logarithms of ratios, and how uncertain it is."""
        busy = self._busy >= _BUSY * self.limit
        if self._at_once > _MOSTLY * self._n and not self._refusals.lowering:
            # Nothing of the API. The more the proxy has at a time, the less each of them costs it.
            self._after = self._tried = 0.0
            if not self._rounds:  # else how long a round takes is what the first answer alone took
                for usual, (count, total) in self._baselines.items():
                    usual.learn(min(total / count, 0.0), count)
            if busy and not self._refusals.too_many(self._level, busy=True):
                return self._set(self._level * _UP, now)
            self._clear()
            return False
        self._rounds += 1
        first = self._rounds == 1
        for usual, (count, total) in self._baselines.items():
            usual.learn(total / count - (0.0 if first else mean), count)
        # Those that are on loan (policy/permit_loans) are not in flight.
        at_a_time = max(self._in_flight / self._n, 1.0)
        if first:
            mean = 0.0
            self._capacity.begin(at_a_time, error)
        else:
            surprise = max(mean - self._expected - _SURPRISING, 0.0)
            mixed = 0.0 if self._surprised else _MIXED * surprise
            self._surprised = surprise > 0
            self._capacity.observe(at_a_time, mean, error + mixed)
        self._mean = mean
        if first and busy:
            # Half as many: were they quicker, so many were too many from the beginning.
            self._after = self._level
            return self._set(self._level * _DOWN, now)
        began, self._after = self._after or self._level, 0.0
        tried, self._tried = self._tried, 0.0
        grows = busy and now - self._cut >= _CALM
        highest = max(self._level * _UP, self._level + 1, began) if grows else began
        # A limit that nobody reaches stays, unless fewer than it are too many.
        idle = not busy and self._capacity.at_least(at_a_time) > _EVEN
        lowest = began if idle else min(self._level * _DOWN, began)
        best = self._capacity.best(max(lowest, self._least), min(highest, self._most))
        away = min(max(_ERRORS * error, _NEAREST), _FARTHEST)
        if tried and best < tried and self._capacity.at_least(tried) > _DOUBT:
            # At the same limit again, a usual time that is not known well would be as likely.
            return self._look(best, min(tried * (1 + away), max(highest, tried)), now)
        turn = self._rounds % (_LOWER_ONE_IN * _EVERY)
        if grows and turn % _EVERY == 0:
            return self._look(best, max(best * (1 + away), best + 1), now)
        if not busy or turn != _EVERY // 2:
            return self._set(best, now)
        self._after = best
        return self._set(min(best * (1 - _LOWER * away), best - 1), now, looking=True)

    def _look(self, best: float, higher: float, now: float) -> bool:
        """Whether it sustains more than is believed to be best."""
        self._after, self._tried = best, higher
        return self._set(higher, now, looking=True)

    def _set(self, level: float, now: float, *, looking: bool = False) -> bool:
        was = self.limit
        grown = level > _GROWN * self._level
        self._lowered = level < (0.8 if looking else 0.95) * self._level
        self._error = _QUICK if grown else _SURE
        self._fewest = max(_FEWEST, min(level, _MOST / _PASSES)) if grown else _FEWEST
        self._level = min(max(level, self._least), float(self._most))
        self.limit = round(self._level)
        self._began = now
        if self.limit != was:
            self._changed = now
        self._expected = self._capacity.expected(self._level) if self._rounds else math.inf
        self._clear()
        return self.limit != was
