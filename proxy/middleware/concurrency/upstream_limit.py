"""The permits of an upstream, shared by all routes to it."""

import asyncio
import logging
import sys
from collections.abc import Iterator
from typing import Any, Final

from proxy.core.exchange import Exchange
from proxy.core.outcome import NEEDS_VERDICT, Verdict, verdict
from proxy.core.redaction import shown
from proxy.core.reply import Reply
from proxy.core.request_key import asked_for, path_of
from proxy.core.samples import Sample, counter, gauge
from proxy.core.state_changes import tell
from proxy.middleware.concurrency.options import ConcurrencyOptions, QueueOptions
from proxy.net.loop_turns import LoopTurns
from proxy.policy.baselines import Baselines
from proxy.policy.gradient import Gradient
from proxy.policy.limiter import ConcurrencyLimiter
from proxy.policy.permit_loans import Loans
from proxy.policy.queue import Queue
from proxy.policy.soonest import Soonest

UNLIMITED: Final = sys.maxsize
_MOVED: Final = 0.2
"""An adaptive limit moves all the time: the share of it that is worth a line."""
_IN_USE: Final = 0.5
_MANY: Final = 8
"""What comes at once is asked while more permits than that share or number are taken: a request
alone is spared the turns."""
_EVERY: Final = 10.0
"""Seconds between two lines of one limit."""


class UpstreamLimit:
    """A limiter, its loans, and what moves its limit where that is adaptive."""

    __slots__ = (
        "_options",
        "_show",
        "_told",
        "_told_at",
        "gradient",
        "limiter",
        "loans",
        "upstream",
    )

    def __init__(
        self,
        options: ConcurrencyOptions,
        queue: QueueOptions | None = None,
        show_keys: tuple[str, ...] = (),
    ) -> None:
        """``show_keys``: the keys that operators may be shown as they are."""
        self.limiter = ConcurrencyLimiter(options.max_requests)
        self.loans = Loans(self.limiter)
        self.gradient: Gradient | None = None
        self.upstream = ""
        """Its name."""
        self._told, self._told_at = 0, float("-inf")
        self._options: tuple[ConcurrencyOptions | None, QueueOptions | None] = (None, None)
        self.follow(options, queue, show_keys)

    def follow(
        self,
        options: ConcurrencyOptions,
        queue: QueueOptions | None,
        show_keys: tuple[str, ...] = (),
    ) -> None:
        """Be what these options say. Those under way stay counted, those that wait move along."""
        self._show = shown(queue.key if queue is not None else "", show_keys)
        before, self._options = self._options, (options, queue)
        if before[0] != options:
            self.gradient = None
            self.limiter.limit = options.max_requests
            least = min(options.min, options.max_requests)
            if options.adaptive == "gradient" and least < options.max_requests:
                self.gradient = Gradient(least, options.max_requests)
                self.limiter.limit = self.gradient.limit
            self._told = self.limiter.limit
        if before[1] != queue:
            self.limiter.queue_up(None if queue is None else Queue(queue.size, queue.order))
        self.limiter.wake_waiters()

    def moved(self, now: float) -> None:
        """The adaptive limit has changed: tell operators now and then."""
        limit = self.limiter.limit
        if abs(limit - self._told) >= _MOVED * self._told and now - self._told_at >= _EVERY:
            of = self.upstream
            sentence = f"the limit of requests at {of} moved from {self._told} to {limit}"
            keys: dict[str, Any] = {"upstream": of, "before": self._told, "after": limit}
            tell("limit_moved", sentence, level=logging.INFO, **keys)
            self._told, self._told_at = limit, now

    def lift(self) -> None:
        """There is no limit any more: those that wait go."""
        self.gradient = None
        self.limiter.limit = UNLIMITED
        self.limiter.wake_waiters()

    def describe(self, now: float) -> Iterator[Sample]:
        """For operators; ``now`` is monotonic. Of keys the ten of which the most wait."""
        limiter = self.limiter
        yield gauge("concurrency_limit", limiter.limit)
        yield gauge("concurrency_in_flight", limiter.in_flight)
        yield gauge("concurrency_waiting", limiter.waiting)
        for key, (number, since) in limiter.busiest(10).items():
            labels = {"key": self._show(key)}
            yield gauge("concurrency_key_waiting", number, labels)
            yield gauge("concurrency_key_longest_seconds", max(0.0, now - since), labels)
        yield gauge("concurrency_finished_per_second", limiter.finished_per_second(now))
        yield counter("concurrency_refused", limiter.refused)
        yield counter("concurrency_evicted", limiter.evicted)
        yield counter("concurrency_timed_out", limiter.timed_out)
        yield gauge("concurrency_lent", len(self.loans.out))


class HeadTimes:
    """What one route learns of how long the heads of an upstream take."""

    __slots__ = ("_baselines", "_limit", "_shortest", "_turns")

    def __init__(self, limit: UpstreamLimit, shortest: Soonest | None, turns: LoopTurns) -> None:
        """``shortest`` is told of every answer."""
        self._limit = limit
        self._shortest = shortest
        self._turns = turns
        self._baselines = Baselines()

    def shortest(self, exchange: Exchange, now: float) -> float | None:
        """Seconds that a request like this takes at the least; None where that is unknown."""
        return None if self._shortest is None else self._shortest.value(asked_for(exchange), now)

    def begin(self, now: float) -> None:
        """A request goes out."""
        limiter = self._limit.limiter
        under_way = limiter.in_flight
        if under_way > _MANY or under_way > _IN_USE * limiter.limit:
            self._turns.begin(now)

    def observe(
        self, exchange: Exchange, seconds: float, now: float, came: Reply | BaseException
    ) -> None:
        """A head came after ``seconds``, or something else did."""
        answered = isinstance(came, Reply) and came.status not in NEEDS_VERDICT
        if self._shortest is not None and answered:
            self._shortest.observe(asked_for(exchange), seconds, now)
        limiter, gradient = self._limit.limiter, self._limit.gradient
        if gradient is None:
            return
        path = path_of(exchange)
        usual = self._baselines.of(path)
        if answered and self._baselines.learn(path, seconds):
            gradient.restart()
        if answered or (isinstance(came, asyncio.CancelledError) and seconds > usual.value):
            # A client that left has waited for so long at least.
            at_once = answered and self._turns.at_once(now - seconds)
            changed = gradient.observe(usual, seconds, now, limiter.in_flight, at_once=at_once)
        elif verdict(came) is Verdict.OVERLOADED:
            changed = gradient.overloaded(now, limiter.in_flight)
        else:  # a quick failure is no fast answer, and says nothing of how much is too much
            return
        if changed:
            limiter.limit = gradient.limit
            limiter.wake_waiters()
            self._limit.moved(now)
