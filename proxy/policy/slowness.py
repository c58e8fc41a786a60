"""Which servers are slow beside the others, and how much less they get."""

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


class UsualTime:
    """About the median of what a server takes, known from one comparison with each answer.

    It goes a step up where an answer took longer and a step down where it did not ("frugal
    streaming"). So a single answer says as much as any other, however long it took: an API whose
    requests differ a lot does not make its servers look different. A failure counts as an answer
    that took longer.
    """

    __slots__ = ("answers", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.answers = 0

    def observe(self, seconds: float) -> None:
        """An answer came after so long."""
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
            self.observe(_LONGEST)


def shares(times: Sequence[UsualTime], floor: float) -> list[float]:
    """What each server gets of its weight: 1, or less where it is slow; never under ``floor``.

    Each is compared with the median of the others (of two in the middle, the faster one). One that
    takes four times as long gets a quarter.
    """
    known = [time.seconds if time.answers >= _ENOUGH else 0.0 for time in times]
    found = []
    for index, seconds in enumerate(known):
        others = sorted(other for at, other in enumerate(known) if other and at != index)
        if not seconds or not others:
            found.append(1.0)
            continue
        allowed = _TOLERANCE * others[(len(others) - 1) // 2]
        found.append(max(min((allowed / seconds) ** 2, 1.0), floor))
    return found
