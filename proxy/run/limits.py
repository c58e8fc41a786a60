"""The permits of every upstream, shared by all routes to it."""

import asyncio
from typing import Any

from proxy.config.model import Route, Upstream
from proxy.core.clock import Clock
from proxy.core.exchange import Exchange, Handler
from proxy.core.outcome import Verdict, verdict
from proxy.core.reply import Reply
from proxy.core.request_key import asked_for, path_of
from proxy.core.secrets import shown
from proxy.middleware.concurrency.concurrency import Concurrency
from proxy.policy.baselines import Baselines
from proxy.policy.gradient import Gradient
from proxy.policy.limiter import ConcurrencyLimiter
from proxy.policy.permit_loans import Loans
from proxy.policy.queue import Queue
from proxy.policy.soonest import Soonest


class Limits:
    """Limiters by the name of their upstream."""

    __slots__ = ("_gradients", "_limiters", "_loans", "_options")

    def __init__(self, options: dict[str, Upstream]) -> None:
        self._options = options
        self._limiters: dict[str, ConcurrencyLimiter] = {}
        self._loans: dict[str, Loans] = {}
        self._gradients: dict[str, Gradient] = {}
        for name, upstream in options.items():
            limits, queue = upstream.concurrency, upstream.queue
            if limits is None:
                continue
            room = Queue(queue.size, queue.order) if queue is not None else None
            self._limiters[name] = ConcurrencyLimiter(limits.max_requests, room)
            self._loans[name] = Loans(self._limiters[name])
            least = min(limits.min, limits.max_requests)
            if limits.adaptive == "gradient" and least < limits.max_requests:
                gradient = self._gradients[name] = Gradient(least, limits.max_requests)
                self._limiters[name].limit = gradient.limit

    def limiter(self, name: str) -> ConcurrencyLimiter | None:
        """That of an upstream, where it has one."""
        return self._limiters.get(name)

    def guarded(self, handler: Handler, name: str, route: Route, clock: Clock) -> Handler:
        """``handler`` with permits, where its upstream has any."""
        limiter = self._limiters.get(name)
        if limiter is None:
            return handler
        taken = None
        if route.deadline is not None or route.timeouts.total:
            taken = Soonest()
        watch = None
        gradient = self._gradients.get(name)
        if taken is not None or gradient is not None:
            watch = Watch(limiter, gradient, taken)
        return Concurrency(
            handler,
            limiter,
            self._options[name].queue,
            route.timeouts.queue,
            usual=(lambda exchange, now: taken.value(asked_for(exchange), now))
            if taken is not None
            else None,
            watch=watch,
            loans=self._loans[name],
            clock=clock,
        ).handle

    def report(self, now: float, harmless: tuple[str, ...] = ()) -> dict[str, Any]:
        """Their state for operators; ``harmless``: the keys that may be shown."""
        found = {}
        for name, limiter in self._limiters.items():
            queue = self._options[name].queue
            found[name] = limiter.report(now, shown(queue.key if queue else "", harmless))
            found[name]["lent"] = len(self._loans[name].out)
        return found


class Watch:
    """What one route learns of how long an upstream takes."""

    __slots__ = ("_baselines", "_gradient", "_limiter", "_taken")

    def __init__(
        self, limiter: ConcurrencyLimiter, gradient: Gradient | None, taken: Soonest | None
    ) -> None:
        self._limiter = limiter
        self._gradient = gradient
        self._taken = taken
        self._baselines = Baselines()

    def __call__(
        self, exchange: Exchange, seconds: float, now: float, came: Reply | BaseException
    ) -> None:
        """A head came after ``seconds``, or something else did."""
        judged = verdict(came)
        answered = judged is Verdict.ANSWERED
        if self._taken is not None and answered:
            self._taken.observe(asked_for(exchange), seconds, now)
        gradient = self._gradient
        if gradient is None:
            return
        path = path_of(exchange)
        usual = self._baselines.of(path)
        if answered and self._baselines.learn(path, seconds):
            gradient.restart()
        if answered or (isinstance(came, asyncio.CancelledError) and seconds > usual.value):
            # A client that left has waited for so long at least.
            changed = gradient.observe(usual, seconds, now, self._limiter.in_flight)
        elif judged is Verdict.OVERLOADED:
            changed = gradient.overloaded(now)
        else:  # a quick failure is no fast answer, and says nothing of how much is too much
            return
        if changed:
            self._limiter.limit = gradient.limit
            self._limiter.wake_waiters()
