"""Which servers are slow beside the others, and how much less they get."""

import math
from collections.abc import Sequence
from typing import Final

_STEP: Final = 1.1
"""Seven slow answers in a row double what counts as usual; one among many changes little."""
_ENOUGH: Final = 10
"""Answers below which nothing is said of a server."""
_TOLERANCE: Final = 2.0
"""How much longer than the others a server may take before it gets less. What answers take at
random, differs by less than this between the medians of servers that are equally fast."""
_LONGEST: Final = 3600.0
_HANGS: Final = 3
"""In a row that had no answer: by chance, where one in fifty stalls, that is one in 100,000."""


class RunningMedian:
    """About the median of what a server takes, known from one comparison with each answer.

    It goes a step up where an answer took longer and a step down where it did not ("frugal
    streaming"). So a single answer says as much as any other, however long it took: an API whose
    requests differ a lot does not make its servers look different. A failure counts as an answer
    that took longer.
    """

    __slots__ = ("_unanswered", "_waited", "answers", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.answers = 0
        self._unanswered = 0
        """Attempts in a row that nobody waited for."""
        self._waited = math.inf
        """Seconds for which each of them was waited for at the least."""

    @property
    def hangs(self) -> bool:
        """Whether there was no answer several times in a row."""
        return self._unanswered >= _HANGS

    def apparent(self, least: int) -> float:
        """Seconds that it takes, as far as is known; 0 where fewer answers are than ``least``."""
        if self.hangs:
            return max(self.seconds, self._waited)
        return self.seconds if self.answers >= least else 0.0

    def observe(self, seconds: float) -> None:
        """An answer came after so long."""
        self._unanswered, self._waited = 0, math.inf
        self._move(seconds)

    def unanswered(self, waited: float) -> None:
        """The client left after so long, or a copy was faster: it would have taken longer still.

        One that has stalled says little. Several in a row, without an answer in between, say that
        the server hangs.
        """
        self._unanswered += 1
        self._waited = min(self._waited, waited)
        if self.seconds:
            self._move(waited)

    def _move(self, seconds: float) -> None:
        self.answers += 1
        if not self.seconds:
            self.seconds = seconds
        elif seconds > self.seconds:
            self.seconds = min(self.seconds * _STEP, _LONGEST)
        else:
            self.seconds /= _STEP

    def failed(self) -> None:
        """There was no answer that could be used, however fast that came."""
        if self.seconds:
            self._move(_LONGEST)


def shares(times: Sequence[RunningMedian], floor: float) -> list[float]:
    """What each server gets of its weight: 1, or less where it is slow; never under ``floor``.

    Each is compared with the median of the others (of two in the middle, the faster one). One that
    takes four times as long gets a quarter.
    """
    found = []
    for index, time in enumerate(times):
        # What one takes that has never answered is not known: it takes longer than it was given.
        least = _HANGS if time.hangs else _ENOUGH
        known = (other for at, other in enumerate(times) if at != index)
        others = sorted(other.apparent(least) for other in known if other.answers >= least)
        seconds = time.apparent(_ENOUGH)
        if not seconds or not others:
            found.append(1.0)
            continue
        allowed = _TOLERANCE * others[(len(others) - 1) // 2]
        found.append(max(min((allowed / seconds) ** 2, 1.0), floor))
    return found
