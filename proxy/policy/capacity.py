"""How many requests at a time an API works on at full speed, as far as its times tell.

The model. Up to ``k`` requests at a time, each takes what is usual. Where ``n`` are more than that,
each takes ``(n / k) ** slope`` times as long. In logarithms: what is usual, plus ``slope`` times
the excess ``max(0, log n - log k)``, and noise. None of ``k``, what is usual and the slope is
known. The slope belongs to the API and lasts; the other two may change at any time.

What is kept, for each ``k`` of a grid: how likely it is, and what would then be usual and be the
slope, as means, variances and their covariance. A round of answers changes all of these by Bayes'
rule, which for normal distributions is a Kalman filter (of two values that are seen as one sum). So
a limit that is unsure after one round is sure after ten, however noisy each is.

What may change between rounds:

- ``k``: a little, to its neighbours; or, now and then, to any other.
- what is usual: a little; or, very seldom, by anything. If answers take longer at whatever limit,
  this becomes the likelier one of the two.
"""

import math
from math import exp, sqrt
from operator import mul
from typing import Final

_GRID: Final = 0.05
"""Step between two neighbours, of the logarithm."""
_SLOPE: Final = 1.25
_SLOPE_DOUBT: Final = 0.2
"""Between an API that shares its time among all (1) and one that degrades beside (1.5): mean and
standard deviation of what is believed before the first round."""
_LOSS: Final = 0.4
"""What it does in all falls with this power of what is too much: the slope less one, where an API
degrades. One that shares its time among all loses nothing, but answers come later."""
_MODEL: Final = 0.02
"""Standard deviation of what the model leaves out."""
_AT_FIRST: Final = 0.05
"""Standard deviation of the mean of the first round."""
_NEIGHBOUR: Final = 0.002
_ANY: Final = 0.02
"""Probabilities that ``k`` moves, in a round."""
_USUAL_DRIFT: Final = 0.002
"""Standard deviation by which what is usual moves in a round, ..."""
_USUAL_JUMP: Final = 1e-4
"""... probability that it jumps, ..."""
_JUMP_WIDTH: Final = 1.0
"""... and the standard deviation by which it does."""
_NEVER: Final = 1e-300


class Capacity:
    """What is believed of an API."""

    __slots__ = (
        "_doubt",
        "_grid",
        "_kept",
        "_likely",
        "_shares",
        "_slope",
        "_tied",
        "_usual",
        "_variance",
    )

    def __init__(self, least: int, most: int) -> None:
        """The limits between which it is looked for."""
        size = int(math.log(most / least) / _GRID) + 2
        self._grid = [math.log(least) + step * _GRID for step in range(size)]
        self._likely = self._kept = [1 / size] * size
        self._usual = [0.0] * size
        self._variance = [_AT_FIRST**2] * size
        self._slope = [_SLOPE] * size
        self._doubt = [_SLOPE_DOUBT**2] * size
        """Variance of the slope."""
        self._tied = [0.0] * size
        """Covariance of the slope with what is usual."""
        self._shares = [math.exp(-_GRID * step) for step in range(size, 0, -1)]
        """What an API does of what it could, by how much too few or too many it is asked."""
        self._shares += [math.exp(-_GRID * _LOSS * step) for step in range(size + 1)]

    def begin(self, at_a_time: float, error: float) -> None:
        """The first round, whose mean is called 0. The API may have been slowed by it already."""
        level = math.log(at_a_time)
        doubt = _SLOPE_DOUBT**2
        for place, k in enumerate(self._grid):
            excess = max(level - k, 0.0)
            # What is usual is the mean less what the slope makes of the excess, unsure as that is.
            self._usual[place] = -_SLOPE * excess
            self._variance[place] = max(_AT_FIRST, error) ** 2 + excess * excess * doubt
            self._tied[place] = -excess * doubt

    def observe(self, at_a_time: float, mean: float, error: float) -> None:
        """A round: how many there were at a time, the mean of logarithms of ratios, its error."""
        self._drift()
        level = math.log(at_a_time)
        noise = error * error + _MODEL**2
        likely, usual, variance = self._likely, self._usual, self._variance
        slope, doubt, tied = self._slope, self._doubt, self._tied
        total = 0.0
        for place, k in enumerate(self._grid):
            excess = max(level - k, 0.0)
            surprise = mean - usual[place] - slope[place] * excess
            # Covariances of the mean with what is usual and with the slope, and its variance.
            of_usual = variance[place] + excess * tied[place]
            of_slope = tied[place] + excess * doubt[place]
            stays = of_usual + excess * of_slope + noise
            jumps = stays + _JUMP_WIDTH**2
            # Densities of two normal distributions, but for a factor of both; never both 0.
            half = -0.5 * surprise * surprise
            if_stays = (1 - _USUAL_JUMP) * exp(half / stays) / sqrt(stays)
            if_jumps = _USUAL_JUMP * max(exp(half / jumps) / sqrt(jumps), _NEVER)
            both = if_stays + if_jumps
            likely[place] *= both
            total += likely[place]
            # One normal distribution with the means and the variances of the two.
            p = if_jumps / both
            jumped = of_usual + _JUMP_WIDTH**2
            gain, gain_jumped = of_usual / stays, jumped / jumps
            turn, turn_jumped = of_slope / stays, of_slope / jumps
            moved = (1 - p) * gain + p * gain_jumped
            turned = (1 - p) * turn + p * turn_jumped
            spread = p * (1 - p) * surprise * surprise
            apart, turned_apart = gain_jumped - gain, turn_jumped - turn
            usual[place] += moved * surprise
            slope[place] += turned * surprise
            variance[place] += p * _JUMP_WIDTH**2 + spread * apart * apart
            variance[place] -= (1 - p) * gain * of_usual + p * gain_jumped * jumped
            tied[place] += spread * apart * turned_apart - moved * of_slope
            doubt[place] += spread * turned_apart * turned_apart - turned * of_slope
        self._likely = [each / total for each in likely]

    def _drift(self) -> None:
        """What may have changed since the last round."""
        likely, usual, variance = self._likely, self._usual, self._variance
        slope, doubt, tied = self._slope, self._doubt, self._tied
        size = len(likely)
        mean = sum(map(mul, likely, usual))
        spread = sum(map(mul, likely, variance))
        spread += sum(p * (each - mean) ** 2 for p, each in zip(likely, usual, strict=True))
        before = [likely[0], *likely[:-1]]
        after = [*likely[1:], likely[-1]]
        any_of = _ANY / size
        for place, (p, lower, higher) in enumerate(zip(likely, before, after, strict=True)):
            here = (1 - _ANY) * (p + _NEIGHBOUR * (lower + higher - 2 * p))
            share = any_of / (here + any_of)
            away = mean - usual[place]
            usual[place] += share * away
            drifted = (1 - share) * variance[place] + share * spread
            variance[place] = drifted + share * (1 - share) * away * away + _USUAL_DRIFT**2
            # Of an API that sustains another number, the slope is not known.
            away = _SLOPE - slope[place]
            slope[place] += share * away
            doubt[place] += share * (_SLOPE_DOUBT**2 - doubt[place] + (1 - share) * away * away)
            tied[place] *= 1 - share
            self._likely[place] = here + any_of

    def best(self, low: float, high: float) -> float:
        """The limit between the two at which the API can be expected to do most."""
        likely, shares, size = self._likely, self._shares, len(self._likely)
        first = self._place(low)
        found, most = first, 0.0
        for place in range(first, max(self._place(high), first) + 1):
            # The share of k is that of the difference of the two places.
            done = sum(map(mul, likely, shares[size + place : place : -1]))
            if done > most:
                found, most = place, done
        return math.exp(self._grid[found])

    def expected(self, limit: float) -> float:
        """The mean of a round at this limit."""
        level = math.log(limit)
        excess = [level - k for k in self._grid if k < level]  # of the first ones
        slower = map(mul, map(mul, self._likely, self._slope), excess)
        expected: float = sum(map(mul, self._likely, self._usual)) + sum(slower)
        return expected

    def at_least(self, limit: float) -> float:
        """The probability that it sustains so many."""
        return sum(self._likely[self._place(limit) :])

    def remember(self) -> None:
        """Keep what is believed now, for ``recall``."""
        self._kept = list(self._likely)

    def recall(self) -> None:
        """Believe that again: the refusals since then had nothing to do with the limit."""
        self._likely = list(self._kept)

    def refused(self, limit: float) -> None:
        """It says that so many are too many."""
        place = self._place(limit)
        halved = [each / 2 for each in self._likely[place:]]
        total = sum(self._likely[:place]) + sum(halved)
        self._likely = [each / total for each in (*self._likely[:place], *halved)]

    def _place(self, limit: float) -> int:
        place = round((math.log(limit) - self._grid[0]) / _GRID)
        return min(max(place, 0), len(self._grid) - 1)
