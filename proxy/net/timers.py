"""Clocks for waits that nearly always end in time: one timer that is moved, or one for all."""

import asyncio
import math
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeAlias
from weakref import WeakMethod

Task: TypeAlias = "asyncio.Task[Any]"

_LATEST_SHARE: Final = 1 / 16
"""Share of its time by which a task may be ended late if a part of the time does not count. A
smaller share costs more looks while only the client is waited for, and those find nothing new."""
_LONGEST: Final = 60.0
"""Seconds between two looks at most; the time that all have may have become shorter."""
LATE: Final = 0.1
"""Seconds by which a loop that runs is never late: by more, it has stood still itself."""
TURNS: Final = 8
"""Turns of the loop until what came meanwhile has been read and whoever waits for it has run."""


class RearmableTimer:
    """Calls back when its time passes; moving it is an assignment, not a timer.

    ``call_later`` and ``cancel`` cost 1.8 µs a pair, and a request has several waits. Here the
    loop's timer is left to fire at the old time and looks then whether the time has moved.

    Loops look at timers before they read. A process that was stopped or frozen for a while would
    take its own pause for silence of its peers, so what they have sent is read first.
    """

    __slots__ = ("_at", "_callback", "_due", "_handle", "_loop", "_turns")

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._at: float | None = None
        self._handle: asyncio.Handle | None = None
        self._turns = 0
        """Turns of the loop for which it has waited beyond its time."""
        self._due = 0.0
        """When the loop's timer fires; uvloop's handle for what is due at once does not know."""

    @property
    def armed(self) -> bool:
        """Whether it will call back."""
        return self._at is not None

    def arm(self, at: float) -> None:
        """Call back at ``at`` on the loop's clock, and at no earlier time that was set before."""
        self._at = at
        handle = self._handle
        if handle is not None:
            if self._due <= at:
                return
            handle.cancel()
        self._due = at
        self._handle = self._loop.call_at(at, self._look)

    def disarm(self) -> None:
        """Do not call back."""
        self._at = None

    def close(self) -> None:
        """Do not call back, and let go of the loop."""
        self._at = None
        self._callback = _nobody  # it holds whoever holds this
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _look(self) -> None:
        self._handle = None
        at = self._at
        late = 0.0 if at is None else self._loop.time() - at
        if late > LATE and self._turns < TURNS:
            self._turns += 1
            self._due = self._loop.time()
            self._handle = self._loop.call_soon(self._look)
            return
        self._turns = 0
        if at is None:
            return
        if late < 0:
            self._due = at
            self._handle = self._loop.call_at(at, self._look)
            return
        self._at = None
        self._callback()


class SharedTimeout:
    """As ``asyncio.timeout``, with one timer for all that is under way.

    A timer for each costs 4 µs. All have the same time here, so who began first is due first. A
    task may be under way once, and is not being cancelled when it begins.

    It goes when nobody holds it any more: its timer does not, and it does not hold its owner.
    """

    __slots__ = (
        "__weakref__",
        "_late",
        "_loop",
        "_running",
        "_spared",
        "_spares",
        "_timer",
        "_uncounted",
        "_waiting",
        "_waiting_timer",
        "seconds",
    )

    def __init__(
        self,
        seconds: float,
        spares: Callable[[Task], float] | None = None,
        uncounted: Callable[[Task], float] | None = None,
    ) -> None:
        """``seconds``: ``math.inf`` for none yet. Both others are methods of who holds this.

        ``spares`` is asked about a task whose time is over, and gives 0 if the task is to be ended,
        ``math.inf`` if it may go on for good, or the seconds after which it is asked again. All
        such tasks are asked together, when the seconds of the first of them are over.
        ``uncounted`` is asked about it before: how many of the seconds since the task began do not
        count, as its client was waited for. It has so many more.
        """
        self.seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._timer = RearmableTimer(self._loop, partial(call_if_held, WeakMethod(self._on_timer)))
        self._running: dict[Task, float] = {}
        """When each began."""
        self._late: dict[Task, RearmableTimer] = {}
        """Those that have more time, as not all that has passed counts."""
        self._spares = None if spares is None else WeakMethod(spares)
        self._uncounted = None if uncounted is None else WeakMethod(uncounted)
        self._spared: set[Task] = set()
        self._waiting: dict[Task, float] = {}
        """Those that are spared for a while, and when each began."""
        self._waiting_timer = RearmableTimer(
            self._loop, partial(call_if_held, WeakMethod(self._on_waiting))
        )

    def begin(self, task: Task) -> float:
        """The time of ``task`` begins now; when it ends. ``end`` has to follow."""
        begun = self._loop.time()
        at = begun + self.seconds
        if not self._running and at < math.inf:
            self._timer.arm(at)
        self._running[task] = begun
        return at

    def adjust(self, seconds: float) -> None:
        """From now on all have so long, those that are under way too.

        One that has more time, as not all of it counts, hears of it when that is over.
        """
        self.seconds = seconds
        begun = next(iter(self._running.values()), math.inf)
        if begun + seconds < math.inf:
            self._timer.arm(begun + seconds)
        else:
            self._timer.disarm()

    def end(self, task: Task) -> bool:
        """It is over, however it ended.

        True where a CancelledError that ends it is to become an error of the caller's: it was this
        clock that cancelled it, and nobody else did.
        """
        if self._running.pop(task, None) is not None:
            return False
        if (timer := self._late.pop(task, None)) is not None:
            timer.close()
            return False
        if self._waiting.pop(task, None) is not None:
            return False
        if task in self._spared:
            self._spared.discard(task)
            return False
        return task.uncancel() == 0

    def _on_timer(self) -> None:
        now = self._loop.time()
        running = self._running
        while running:
            task, begun = next(iter(running.items()))
            if begun + self.seconds > now:
                if self.seconds < math.inf:
                    self._timer.arm(begun + self.seconds)
                return
            del running[task]
            self._on_over(task, begun)

    def _on_over(self, task: Task, begun: float) -> None:
        """The time of a task is over, unless some of it does not count."""
        self._late.pop(task, None)
        uncounted = None if self._uncounted is None else self._uncounted()
        if uncounted is not None and (free := uncounted(task)) > 0:
            now = self._loop.time()
            left = begun + self.seconds + free - now
            if left > 0:
                timer = RearmableTimer(self._loop, partial(self._on_over, task, begun))
                self._late[task] = timer
                timer.arm(now + min(max(left, self.seconds * _LATEST_SHARE), _LONGEST))
                return
        spares = None if self._spares is None else self._spares()
        more = 0.0 if spares is None else spares(task)
        if not more:
            task.cancel()
        elif more == math.inf:
            self._spared.add(task)
        else:
            self._waiting[task] = begun
            if not self._waiting_timer.armed:
                self._waiting_timer.arm(self._loop.time() + more)

    def _on_waiting(self) -> None:
        """Ask again for all that are spared for a while."""
        waiting, self._waiting = self._waiting, {}
        for task, begun in waiting.items():
            self._on_over(task, begun)


def _nobody() -> None:
    """Nobody is to be told any more."""


def call_if_held(method: WeakMethod[Callable[[], None]]) -> None:
    """As long as somebody holds its object."""
    if (alive := method()) is not None:
        alive()
