"""When a server is left alone, and how it comes back.

It comes back by a trial: one request is let through, and what becomes of it decides. A trial keeps
others out for a bounded time only, else one slow answer would keep them from a server that is well:
``base_ejection_time`` for the first one. If there is no verdict by then another request is the
trial as well, which has twice that time, and so on. The first verdict of any of them counts. While
the client of a trial is waited for, for its upload, it is none: after a second of that the next one
is let through too.
"""

from collections.abc import Callable
from typing import Final
from weakref import ref

from proxy.policy.window import Window

_FOR_CLIENT: Final = 1.0
"""Seconds for which a trial may wait for its client: as many as those are told that are refused."""


class Pass:
    """Leave to make one attempt, and the one place where its outcome is told."""

    __slots__ = ("_breaker", "_period", "_trial")

    def __init__(self, breaker: "Breaker", period: int, *, trial: bool) -> None:
        self._breaker: Callable[[], Breaker | None] = ref(breaker)  # which has one of these
        self._period = period
        self._trial = trial

    def succeeded(self, now: float) -> None:
        """The server did its work."""
        breaker = self._breaker()
        if breaker is not None and breaker.period == self._period:
            if self._trial:
                self._breaker = _told
                breaker.close(now)
            elif breaker.failures or breaker.counts:
                breaker.on_success(now)

    def failed(self, now: float) -> None:
        """The server did not do its work."""
        breaker = self._breaker()
        if breaker is not None and breaker.period == self._period:
            if self._trial:
                self._breaker = _told
                breaker.eject(now)
            else:
                breaker.on_failure(now)

    def abandoned(self) -> None:
        """Nobody knows: cancelled, or not its fault."""
        breaker = self._breaker()
        if breaker is not None and self._trial and breaker.period == self._period:
            self._breaker = _told
            if breaker.trial is self:
                breaker.trial = None  # the next one is let through at once


def _told() -> None:
    """A trial has one outcome."""


def _nothing(_: float) -> float:
    """No client is waited for."""
    return 0.0


class Breaker:
    """One server as one route sees it: closed, open, or half open for trials."""

    __slots__ = (
        "__weakref__",
        "_all",
        "_bad",
        "_base",
        "_closed_at",
        "_consecutive",
        "_interval",
        "_last",
        "_longest",
        "_may_open",
        "_min_requests",
        "_on_change",
        "_ratio",
        "_relapses",
        "_trial_until",
        "_trials",
        "_waited",
        "_waited_before",
        "counts",
        "ejections",
        "failures",
        "open",
        "period",
        "promised_until",
        "shared",
        "trial",
        "until",
    )

    def __init__(
        self,
        *,
        consecutive_failures: int = 5,
        failure_ratio: float = 0.0,
        min_requests: int = 20,
        interval: float = 10.0,
        base_ejection_time: float = 5.0,
        max_ejection_time: float = 60.0,
        may_open: Callable[[], bool] = lambda: True,
        on_change: Callable[[float], None] = lambda _: None,
    ) -> None:
        """``on_change`` is told for how many seconds it opens, or 0 when it closes again."""
        self._consecutive = consecutive_failures
        self._ratio = failure_ratio
        self._min_requests = min_requests
        self._base = base_ejection_time
        self._longest = max_ejection_time
        self._may_open = may_open
        self._on_change = on_change
        self._interval = interval or 10.0
        self._all = Window(self._interval)
        self._bad = Window(self._interval)
        self.counts = bool(failure_ratio)
        self.open = False
        self.until = 0.0
        self.trial: Pass | None = None
        """The leave of the last trial that is under way."""
        self._waited: Callable[[float], float] = _nothing
        self._waited_before = 0.0
        """Of that trial: for how long its client was waited for."""
        self._trial_until = 0.0
        self._trials = 0
        """How many have kept others out for as long as they may, one after the other."""
        self.promised_until = 0.0
        """Until when the next trial is kept for an attempt that is ended for it."""
        self.failures = 0
        self.ejections = 0
        self.period = 0
        self._relapses = 0
        self._closed_at = 0.0
        self._last = 0.0
        self.shared = Pass(self, 0, trial=False)

    def would_allow(self, now: float) -> bool:
        """Whether ``allow`` would."""
        return not self.open or (now >= self.until and not self._on_trial(now))

    @property
    def allows_at(self) -> float:
        """While it is open: from when on ``allow`` gives leave, where nobody tells it anything."""
        return self.until if self.trial is None else max(self.until, self._trial_until)

    def _on_trial(self, now: float) -> bool:
        """Whether a trial keeps others out."""
        return (
            self.trial is not None
            and now < self._trial_until
            and self._waited(now) - self._waited_before < _FOR_CLIENT
        )

    def allow(self, now: float, waited: Callable[[float], float] = _nothing) -> Pass | None:
        """Leave for one attempt; None while it is open, or while a trial keeps others out.

        ``waited``: seconds until now for which its client was waited for.
        """
        if not self.open:
            return self.shared
        if not self.would_allow(now):
            return None
        if self.trial is not None and now >= self._trial_until:
            self._trials = min(self._trials + 1, 30)
        self._trial_until = now + self._base * 2**self._trials
        self._waited, self._waited_before = waited, waited(now)
        self.trial = Pass(self, self.period, trial=True)
        return self.trial

    def state(self, now: float) -> str:
        """``closed``, ``open`` or ``half-open``."""
        if not self.open:
            return "closed"
        return "open" if now < self.until else "half-open"

    def note_failure(self, now: float) -> None:
        """A reply broke after its head."""
        if not self.open:
            self.on_failure(now)

    def on_success(self, now: float) -> None:
        """An attempt succeeded while closed."""
        self.failures = 0
        if self.counts:
            self._all.add(now)

    def on_failure(self, now: float) -> None:
        """An attempt failed while closed."""
        self.failures += 1
        bad = 0
        if self.counts:
            self._all.add(now)
            self._bad.add(now)
            everything = self._all.total(now)
            if everything >= self._min_requests:
                bad = self._bad.total(now) >= self._ratio * everything
        if (0 < self._consecutive <= self.failures or bad) and self._may_open():
            self.eject(now)

    def eject(self, now: float) -> None:
        """Leave it alone for a while; longer each time it relapses soon."""
        if not self.open:
            # As long as it was out, it has to do well for a relapse to be forgotten.
            while self._relapses and now - self._closed_at >= self._last > 0:
                self._relapses -= 1
                self._closed_at += self._last
        self._last = min(self._base * 2**self._relapses, self._longest or float("inf"))
        self._relapses = min(self._relapses + 1, 30)
        self.open_for(self._last, now)

    def open_for(self, seconds: float, now: float) -> None:
        """Admit nothing until then, and afterwards a trial."""
        self.ejections += 1
        self.until = now + seconds
        self.open = True
        self._end_trials()
        self.period += 1
        self._on_change(seconds)

    def _end_trials(self) -> None:
        self.trial, self._trials, self._waited = None, 0, _nothing

    def close(self, now: float) -> None:
        """It is well again; what it did before counts no more."""
        self._all = Window(self._interval)
        self._bad = Window(self._interval)
        self.open = False
        self._end_trials()
        self.failures = 0
        self.until = 0.0
        self.period += 1
        self._closed_at = now
        self.shared = Pass(self, self.period, trial=False)
        self._on_change(0.0)
