"""``[retry] last_chance``: what has stalled is tried again before the client leaves.

How it works. Clients that leave without an answer show how long they wait (``policy/patience``).
Once that is known, the first attempt of a request is ended so long before that another one can
still be answered in time (``policy/last_chance``), and `Retry` makes that one, within its budget.
There is one attempt at a time and no copy, and the request would have had no answer.

States of `StalledAttempts`, and what may follow:

- unknown: ``handle`` is the rest of the chain itself, so nothing is paid for. A client leaves and
  makes the patience known: guarded.
- guarded: ``handle`` is `_guarded`, which times attempts. The patience is forgotten, or an answer
  that took longer shows that it was wrong: unknown.
"""

import asyncio
import math
import weakref
from asyncio import CancelledError, current_task
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from proxy.core.clock import Clock
from proxy.core.errors import AttemptTimeout, Stage
from proxy.core.exchange import Exchange, Handler
from proxy.core.outcome import RESET, TIMEOUT, Verdict, verdict
from proxy.core.reply import Reply
from proxy.core.samples import Sample, counter, gauge
from proxy.core.scope import UpstreamScope
from proxy.core.timeouts import TimeoutsOptions
from proxy.middleware.retry.options import RetryOptions
from proxy.net.timers import SharedTimeout
from proxy.policy.budget import Budget
from proxy.policy.last_chance import LastChance

Task: TypeAlias = "asyncio.Task[Any]"


def stalled_attempts(
    scope: UpstreamScope, options: RetryOptions, inner: Handler
) -> "StalledAttempts | None":
    """Where ``last_chance`` is on and neither ``per_try`` nor ``[hedge]`` does the same earlier.

    Who takes resets and timeouts off ``on`` wants nothing sent again that was sent.
    """
    timeouts = scope.find(TimeoutsOptions)
    does_so = scope.sends_copies or (timeouts is not None and timeouts.per_try)
    if not options.last_chance or does_so or not {RESET, TIMEOUT} & set(options.on):
        return None
    shared = scope.shared
    chance = shared.share(("last chance", scope.identity, scope.upstream), LastChance)
    stalled = StalledAttempts(
        inner, chance, scope.may_follow, budget=scope.retry_budget, clock=shared.clock
    )
    shared.watch(stalled, route=scope.route, upstream=scope.upstream)
    return stalled


class StalledAttempts:
    """The attempts of one route at one upstream."""

    __slots__ = (
        "__weakref__",
        "_begun",
        "_budget",
        "_chance",
        "_clock",
        "_ending",
        "_inner",
        "_may_follow",
        "_timeout",
        "handle",
    )

    def __init__(
        self,
        inner: Handler,
        chance: LastChance,
        may_follow: Callable[[Exchange], bool],
        *,
        budget: Budget,
        clock: Clock,
    ) -> None:
        """``may_follow``: whether another attempt may take the place of one.

        ``budget``: that of these other attempts.
        """
        self._inner = inner
        self._chance = chance
        self._may_follow = may_follow
        self._clock = clock
        self._budget = budget
        self._begun: dict[Task, tuple[Exchange, float]] = {}
        """First attempts under way, and when each began; the oldest first."""
        self._ending: set[Task] = set()
        """Those of them that give way to another, and do not know it yet."""
        self._timeout = SharedTimeout(math.inf, self._spares)
        self.handle: Handler = inner
        """Makes an attempt. Raises AttemptTimeout when it gives way to another one."""
        self._follow()

    def left(self, exchange: Exchange, began: float) -> None:
        """The client has left, and had been waiting since then."""
        if _counts(exchange):
            now = self._clock()
            self._chance.patience.left(now - began, now)
            self._follow()

    def describe(self, now: float) -> Iterator[Sample]:
        """For operators; ``now`` is monotonic."""
        yield counter("retry_last_chances", self._chance.ended)
        if (patience := self._chance.patience.seconds(now)) is not None:
            yield gauge("client_patience_seconds", patience)

    async def _guarded(self, exchange: Exchange) -> Reply:
        if not _counts(exchange):
            return await self._inner(exchange)
        if exchange.record.attempt_log:
            return await self._again(exchange)
        task = current_task()
        assert task is not None
        began = self._clock()
        self._begun[task] = exchange, began
        self._timeout.begin(task)
        try:
            reply = await self._inner(exchange)
        except CancelledError:
            if self._end(task):
                raise AttemptTimeout(
                    "no reply, and its client is about to leave",
                    stage=Stage.SENT,
                    clock="last_chance",
                ) from None
            raise
        except BaseException:
            self._end(task)
            raise
        self._end(task)
        if verdict(reply) is Verdict.ANSWERED:
            now = self._clock()
            self._chance.answered(began, now)
            self._chance.patience.answered(now - began, now)
            self._follow()
        return reply

    async def _again(self, exchange: Exchange) -> Reply:
        """Another attempt, for which there is no bound."""
        first, last = exchange.record.attempt_log[0], exchange.record.attempt_log[-1]
        began = self._clock()
        reply = await self._inner(exchange)
        if verdict(reply) is Verdict.ANSWERED:
            now = self._clock()
            if last.outcome == TIMEOUT:
                self._chance.followed(now - began, now)
            self._chance.patience.answered(now - first.began, now)
            self._follow()
        return reply

    def _end(self, task: Task) -> bool:
        """It is over. Whether it was this clock that cancelled it."""
        del self._begun[task]
        if task in self._ending:
            self._ending.discard(task)
            self._budget.redeem()
        return self._timeout.end(task)

    def _follow(self) -> None:
        """Do what is known now."""
        now = self._clock()
        known = self._chance.patience.seconds(now) is not None
        # A method of its own would hold it, and it that: only the collector would let go of both.
        # Who makes an attempt holds it.
        self.handle = (
            StalledAttempts._guarded.__get__(weakref.proxy(self)) if known else self._inner
        )
        bound = self._chance.seconds(now)
        if bound != self._timeout.seconds:
            self._timeout.adjust(bound)

    def _spares(self, task: Task) -> float:
        exchange, began = self._begun[task]
        if exchange.record.connect_s is None or not self._may_follow(exchange):
            return math.inf
        others = (each for _, each in self._begun.values())
        now = self._clock()
        if not self._chance.stands_out(began, others, now):
            return math.inf
        # What it takes is taken now: others may be judged before it has ended.
        self._chance.end(now)
        self._budget.promise()
        self._ending.add(task)
        return 0.0


def _counts(exchange: Exchange) -> bool:
    """Whether it is asked and answered at once: an upload, or a connection, takes its time."""
    return exchange.body.length == 0 and not exchange.upgrade and not exchange.bound
