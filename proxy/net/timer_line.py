"""Times of many waits that nearly always end before: one timer of the loop for all in a line."""

import asyncio
import math
from functools import partial
from itertools import takewhile
from typing import Protocol
from weakref import WeakMethod

from proxy.net.timers import RearmableTimer, call_if_held


class Due(Protocol):
    """Waits for something until a given time at the most."""

    def rang(self) -> None:
        """That time has come."""


class TimerLine:
    """Tells each when its time has come, unless it has left by then.

    ``call_at`` and ``cancel`` cost a few microseconds for each. Those who come one after the other
    and have the same time to wait are due in the same order, so here they stand in a line, and only
    the first of them needs a timer. Who is due before one that came earlier has a timer of its own.

    It goes when nobody holds it any more: its timer does not.
    """

    __slots__ = ("__weakref__", "_apart", "_last", "_line", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._line: dict[Due, float] = {}
        """When each is due, the first one first."""
        self._last = -math.inf
        """When the last of them is due."""
        self._apart: dict[Due, asyncio.TimerHandle] = {}
        self._timer = RearmableTimer(loop, partial(call_if_held, WeakMethod(self._on_timer)))

    def enter(self, one: Due, at: float) -> None:
        """Tell it at ``at``, on the loop's clock. ``leave`` has to follow unless it is told."""
        line = self._line
        if not line:
            self._timer.arm(at)
        elif at < self._last:
            self.enter_apart(one, at)
            return
        self._last = at
        line[one] = at

    def enter_apart(self, one: Due, at: float) -> None:
        """Likewise, where others that come later are due before it."""
        self._apart[one] = self._loop.call_at(at, self._on_apart, one)

    def leave(self, one: Due) -> None:
        """It waits no more, if it still did."""
        if self._line.pop(one, None) is None and (timer := self._apart.pop(one, None)) is not None:
            timer.cancel()

    def _on_apart(self, one: Due) -> None:
        del self._apart[one]
        one.rang()

    def _on_timer(self) -> None:
        now, line = self._loop.time(), self._line
        try:
            # The first of a dict is found by walking past those that are gone: not for each.
            for one, at in list(takewhile(lambda due: due[1] <= now, line.items())):
                if line.get(one) == at:  # has not left meanwhile
                    del line[one]
                    one.rang()
        finally:  # whatever one of them raises, the others are told
            if line:
                self._timer.arm(next(iter(line.values())))
