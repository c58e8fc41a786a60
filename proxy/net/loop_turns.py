"""Tells what came so soon that the turns of the loop took longer than it did."""

import math
from collections.abc import Callable
from contextvars import Context
from typing import Final, TypeAlias

CallSoon: TypeAlias = Callable[[Callable[[], None]], object]

AT_ONCE: Final = 2
"""Turns after that in which something goes out: in the first one the loop can read what comes back,
and whoever waits for it may run one later."""


class LoopTurns:
    """Counts turns of the loop, from when something goes out until it could have come back.

    What comes while a turn goes on is read after it, however soon it came. A loop that has nothing
    to do goes round in microseconds meanwhile, so there hardly anything comes at once.
    """

    __slots__ = ("_began", "_call_soon", "_clock", "_left")

    def __init__(self, call_soon: CallSoon, clock: Callable[[], float]) -> None:
        """``call_soon``: the loop's."""
        self._call_soon = call_soon
        self._clock = clock
        self._left = 0
        """Turns that are still counted."""
        self._began = (math.inf,) * (AT_ONCE + 1)
        """When this turn began, and those before it; the last one first."""

    def begin(self, now: float) -> None:
        """Something goes out in this turn."""
        if not self._left:
            self._began = (now,) * (AT_ONCE + 1)
            # Nothing of whose request begins to count is held while the loop stays busy.
            Context().run(self._call_soon, self._turn)
        self._left = AT_ONCE + 1

    def at_once(self, sent: float) -> bool:
        """Whether no more turns have begun since what went out then, as ``begin`` was told."""
        return self._left > 0 and sent >= self._began[-1]

    def _turn(self) -> None:
        self._left -= 1
        if self._left:
            self._began = (self._clock(), *self._began[:-1])
            self._call_soon(self._turn)
