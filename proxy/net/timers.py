"""A clock for waits that nearly always end in time."""

import asyncio
from collections.abc import Callable


class Alarm:
    """Rings when its time passes; moving it is an assignment, not a timer.

    ``call_later`` and ``cancel`` cost 1.8 µs a pair, and a request has several waits. Here the
    loop's timer is left to fire at the old time and looks then whether the time has moved.
    """

    __slots__ = ("_at", "_due", "_handle", "_loop", "_ring")

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._at: float | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._due = 0.0
        """When the loop's timer fires; uvloop's handle for what is due at once does not know."""

    @property
    def armed(self) -> bool:
        """Whether it will ring."""
        return self._at is not None

    def set(self, at: float) -> None:
        """Ring at ``at`` on the loop's clock, and at no earlier time that was set before."""
        self._at = at
        handle = self._handle
        if handle is not None:
            if self._due <= at:
                return
            handle.cancel()
        self._due = at
        self._handle = self._loop.call_at(at, self._look)

    def clear(self) -> None:
        """Do not ring."""
        self._at = None

    def close(self) -> None:
        """Do not ring, and let go of the loop."""
        self._at = None
        self._ring = _silent  # it holds whoever holds this
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _look(self) -> None:
        self._handle = None
        at = self._at
        if at is None:
            return
        if self._loop.time() < at:
            self._due = at
            self._handle = self._loop.call_at(at, self._look)
            return
        self._at = None
        self._ring()


def _silent() -> None:
    """Nobody is to be told any more."""
