"""How long a store that answers over the network is waited for.

Its time is that for an answer. Who waits for a connection is patient while others are answered:
then it is our own crowd that takes long. And when the time is over, what has come by then is taken:
loops look at timers before they read, and one that is busy sees an answer late.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Final

from proxy.net.timers import TURNS

LONGEST: Final = 2.0
"""Seconds for which a connection is waited for at the most, where the time for an answer is shorter
than that."""

_TURNS: Final = 4 * TURNS
"""Turns of the loop for an answer that has come: it may be the first of a new connection, which is
made and greeted before."""
EXACT: Final = 0.001
"""Seconds by which a timer may fire too early: those of loops are no more exact."""


class Patience:
    """A timeout: first of a wait for a connection, and from ``begin_anew`` on of an answer."""

    __slots__ = ("_asked", "_began", "_last_heard", "_limit", "_loop", "_timer", "_within")

    def __init__(self, within: float | None, last_heard: Callable[[], float]) -> None:
        """``within``: seconds, None for any time.

        ``last_heard``: when others were answered, by the time of the loop.
        """
        self._within = within
        self._loop = asyncio.get_running_loop()
        self._last_heard = last_heard
        self._began = self._loop.time()
        self._asked = False
        self._limit = asyncio.timeout(None)
        self._timer: asyncio.Handle | None = None

    def begin_anew(self) -> None:
        """There is a connection."""
        self._asked = True
        self._began = self._loop.time()

    async def __aenter__(self) -> "Patience":
        await self._limit.__aenter__()
        if self._within is not None:
            self._timer = self._loop.call_later(self._within, self._look)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Raises TimeoutError where its time is over."""
        if self._timer is not None:
            self._timer.cancel()
        await self._limit.__aexit__(kind, error, trace)

    def _left(self, within: float) -> float:
        now, began = self._loop.time(), self._began
        if self._asked:
            return began + within - now
        return min(max(began, self._last_heard()) + within, began + max(within, LONGEST)) - now

    def _look(self, turns: int = 0) -> None:
        assert self._within is not None
        loop = self._loop
        if (left := self._left(self._within)) > EXACT:
            self._timer = loop.call_later(left, self._look)
        elif turns < _TURNS:
            self._timer = loop.call_soon(self._look, turns + 1)
        else:
            self._timer = None
            self._limit.reschedule(loop.time())
