"""``[timeouts] per_try``: a bound on one attempt up to its head, while another may follow.

``connect``, ``first_byte`` and ``idle`` are the upstream's own, in ``upstream/forward.py``.

The clock knows what may follow. When it runs out, and nothing could be tried instead (it was the
last attempt, the request may have been executed and may not be run twice, the retry budget is used
up, and no upstream in ``fallback`` would take over), the attempt goes on, for as long as
``first_byte``, ``total`` and the client allow. To end it would turn a slow answer into none. Where
nothing but a server is lacking, it is asked again each second: an ejection ends.

It is the server's clock: the time for which the client is waited for, while it uploads a body, does
not count, nor does that for which a connection is waited for that ``limit`` withholds.
"""

import asyncio
import math
from asyncio import CancelledError, current_task
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from proxy.core.body import served_since
from proxy.core.clock import Clock
from proxy.core.duration import AUTO
from proxy.core.errors import AttemptTimeout, ConnectTimeout
from proxy.core.exchange import Exchange, Handler
from proxy.core.outcome import Verdict, verdict
from proxy.core.reply import Reply
from proxy.core.scope import EndpointScope, TakesOver
from proxy.core.timeouts import TimeoutsOptions
from proxy.core.words import in_seconds
from proxy.net.timers import SharedTimeout
from proxy.policy.attempt_bound import AttemptBound
from proxy.policy.budget import Budget

Task: TypeAlias = "asyncio.Task[Any]"

_AGAIN: Final = 1.0
"""Seconds until it is asked again whether there is a server for another attempt."""


def link(scope: EndpointScope, inner: Handler) -> Handler | None:
    """Where ``[timeouts] per_try`` is set, and other attempts may follow."""
    timeouts = scope.find(TimeoutsOptions)
    if timeouts is None or not timeouts.per_try:
        return None
    if not scope.retries and scope.takes_over is None:
        return None
    budget = scope.retry_budget
    if timeouts.per_try == AUTO:
        # What is usual on a route is so at every server, and stays so when its options change;
        # ``may_follow`` is the same for all servers.
        share, now = scope.shared.share, scope.shared.clock
        usual = share(("usual attempts", scope.identity, scope.upstream), AttemptBound)
        clock = share(
            ("per_try", scope.may_follow),
            lambda: AttemptClock(
                0.0,
                scope.may_follow,
                usual,
                scope.may_follow_later,
                scope.takes_over,
                budget=budget,
                clock=now,
            ),
        )
    else:
        clock = AttemptClock(
            timeouts.per_try,
            scope.may_follow,
            may_follow_later=scope.may_follow_later,
            takes_over=scope.takes_over,
            budget=budget,
            clock=scope.shared.clock,
        )
    return PerTry(inner, clock).handle


class AttemptClock:
    """One clock for all attempts that are under way."""

    __slots__ = (
        "__weakref__",
        "_budget",
        "_clock",
        "_ending",
        "_exchanges",
        "_lacking",
        "_may_follow",
        "_may_follow_later",
        "_takes_over",
        "_timeout",
        "_usual",
    )

    def __init__(
        self,
        seconds: float,
        may_follow: Callable[[Exchange], bool],
        usual: AttemptBound | None = None,
        may_follow_later: Callable[[Exchange], bool] = lambda _: False,
        takes_over: TakesOver | None = None,
        *,
        budget: Budget,
        clock: Clock,
    ) -> None:
        """``may_follow``: whether another attempt may take the place of this one;
        ``may_follow_later``: whether it may as soon as there is a server for it.

        ``takes_over``: whether another upstream would go on, which costs nothing of the budget.
        ``budget``: that of these other attempts. ``usual``: where the bound follows what attempts
        take.
        """
        self._clock = clock
        self._may_follow = may_follow
        self._may_follow_later = may_follow_later
        self._takes_over = takes_over
        self._usual = usual
        self._budget = budget
        self._exchanges: dict[Task, tuple[Exchange, float]] = {}
        """What is under way, and for how long others than a server had been waited for before."""
        self._ending: set[Task] = set()
        """Those that are ended for another attempt, and do not know it yet."""
        self._lacking: set[Task] = set()
        """Those whose time was over when there was no server for another attempt."""
        bound = seconds if usual is None else usual.seconds(self._clock())
        self._timeout = SharedTimeout(bound, self._spares, self._uncounted)

    @property
    def seconds(self) -> float:
        """The bound as it is now."""
        return self._timeout.seconds

    def begin(self, task: Task, exchange: Exchange) -> float:
        """An attempt begins, and when that is for ``learn``; ``end`` has to follow."""
        now, body = self._clock(), exchange.body
        before = exchange.record.queue_s
        if body.buffered is None:
            before += body.waited(now)
        self._exchanges[task] = exchange, before
        self._timeout.begin(task)
        return now - before

    def end(self, task: Task) -> bool:
        """It is over. Whether it was this clock that cancelled it."""
        del self._exchanges[task]
        self._lacking.discard(task)
        if task in self._ending:
            self._ending.discard(task)
            self._budget.redeem()
        return self._timeout.end(task)

    def lacked_server(self, task: Task) -> bool:
        """Whether it went on beyond the bound, for want of a server for another attempt."""
        return task in self._lacking

    def _uncounted(self, task: Task) -> float:
        """Seconds for which its client was waited for, or a connection within ``limit``."""
        exchange, before = self._exchanges[task]
        now, record = self._clock(), exchange.record
        queued = record.queue_s + (now - record.wait.began if record.wait is not None else 0.0)
        return exchange.body.waited(now) + queued - before

    def _spares(self, task: Task) -> float:
        exchange, _ = self._exchanges[task]
        if not self._may_follow(exchange):
            if self._takes_over is not None and self._takes_over(exchange):
                return 0.0
            later = self._takes_over is not None and self._takes_over.later(exchange)
            if not (later or self._may_follow_later(exchange)):
                return math.inf
            self._lacking.add(task)
            return _AGAIN
        self._budget.promise()
        self._ending.add(task)
        return 0.0

    def learn(self, exchange: Exchange, begun: float, *, answered: bool) -> None:
        """An attempt, for which ``begin`` gave this, was answered, or was ended by this clock."""
        usual = self._usual
        if usual is None:
            return
        now, body = self._clock(), exchange.body
        begun += exchange.record.queue_s
        if body.buffered is None:
            begun = served_since(body, begun, now)
        (usual.observe if answered else usual.cut)(now - begun, now)
        bound = usual.seconds(now)
        if bound != self._timeout.seconds:
            self._timeout.adjust(bound)


class PerTry:
    """Bounds one attempt up to its head, as long as another one may follow."""

    __slots__ = ("_clock", "_inner")

    def __init__(self, inner: Handler, clock: AttemptClock) -> None:
        self._inner = inner
        self._clock = clock

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises AttemptTimeout when the attempt took too long and another may follow.

        ConnectTimeout where there was no connection by then.
        """
        clock = self._clock
        task = current_task()
        assert task is not None
        begun = clock.begin(task, exchange)
        try:
            reply = await self._inner(exchange)
        except CancelledError:
            late = clock.lacked_server(task)
            if clock.end(task):
                bound = clock.seconds
                if not late:  # what it waited beyond the bound says nothing of the bound
                    clock.learn(exchange, begun, answered=False)
                within, record = f"within per_try of {in_seconds(bound)}", exchange.record
                if record.connect_s is None:
                    what = f"no connection to {record.endpoint} {within}"
                    raise ConnectTimeout(what, clock="per_try") from None
                raise AttemptTimeout(f"no reply {within}", clock="per_try") from None
            raise
        except BaseException:
            clock.end(task)
            raise
        clock.end(task)
        if verdict(reply) is Verdict.ANSWERED:
            clock.learn(exchange, begun, answered=True)
        return reply
