"""A copy of a request that takes unusually long: the first good answer wins.

How it works. The request itself runs in the caller's task. If the route has a delay for it, a
`HedgedCall` is told when that is over, by one timer for all. The delay is fixed, or a quantile of
the time to a good answer on this route in the last five minutes; with fewer than 20 answers it is
unknown, and no copy is sent.

States of a `HedgedCall`, and what may follow:

- waiting: the request is under way, alone or with copies. Next: copies only, or finished.
- copies only: the request itself has failed or was refused, and copies are still under way. No
  further copy is launched. Next: finished, when a copy has won or all have ended.
- finished: the delay counts no more, and all copies still under way have been cancelled.

Events:

- The delay is over: a copy is launched, and a timer of its own starts for the next one. There is no
  copy now if ``max`` copies are under way, if the upstream has no headroom (a free permit, and a
  third of the servers neither paused nor ejected), if the body is not complete in memory, or if the
  budget has not enough. Then it is asked for again, the later the longer the request has waited.
  Each request deposits ``budget_percent`` of a copy; a copy withdraws one. The budget has to be
  full for a request that has just waited for the delay, and less so the longer it has waited.
  Where ``[retry]`` stands above, a copy is one of its ``attempts``: it takes the place of a retry,
  and there is none once these are used up.
- The request is answered well: it wins.
- A copy is answered well while the request is under way: it wins. The call cancels its own task,
  catches the cancellation in `HedgedCall.run` and returns the copy's reply. What was found out for
  the copy (endpoint, times) is then what is known of the request.
- A copy fails or is refused: its reply is closed, and the call goes on. Another copy may be sent
  after the next delay, twice ``max`` in all.
- The request fails or is refused: if a copy wins later, its reply counts, else what the request
  itself came to.
- The client leaves, or an error is the client's fault: all ends, and the error goes up.

"Answered well" is ``Verdict.ANSWERED`` of ``core/outcome``. Only requests that may be repeated are
hedged, and none that belong to a connection (upgrades, logins).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from proxy.core.body import EMPTY, Body
from proxy.core.clock import Clock
from proxy.core.duration import Duration
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.core.samples import Counts, Sample, gauge
from proxy.core.scope import UpstreamScope
from proxy.core.tasks import keep
from proxy.middleware.hedge.hedged_call import HedgedCall, acceptable, answer
from proxy.middleware.hedge.options import HedgeOptions
from proxy.net.timer_line import TimerLine
from proxy.policy.budget import DepositBudget
from proxy.policy.quantile import Quantiles

_CERTAIN: Final = 4.0
"""Times the delay: an answer that has not come by then comes late, or not at all."""
_RUNAWAY: Final = 6.0
"""Times the median: a delay is never longer. For log-normal times with a sigma of 1, 95 % take less
than 5.2 times the median."""
_REPLACED: Final = 2
"""Times ``max``, copies in all: one that fails is replaced once, or nothing would come of it."""
_WINDOW: Final = 300.0
"""Seconds for which an answer says what is usual."""
_SHORTEST: Final = 0.001
"""Seconds of delay at the least."""

_copies: Final = partial(Counts, "hedge_copies", "sent", "won", "over_budget")


def link(scope: UpstreamScope, inner: Handler) -> Handler | None:
    """Where there is ``[hedge]``."""
    options = scope.find(HedgeOptions)
    if options is None:
        return None
    # What is usual on a route, and the copies that it has sent or saved, outlive a change of its
    # options.
    whose, share, percent = (
        (scope.identity, scope.upstream),
        scope.shared.share,
        options.budget_percent,
    )
    conditions = scope.has_headroom  # not the scope, which has this handler in it
    copies = share(("hedge", *whose), _copies)
    scope.shared.watch(copies, route=scope.route, upstream=scope.upstream)
    hedge = Hedge(
        inner,
        options,
        lambda: all(holds() for holds in conditions),
        scope.repeatable,
        scope.keep,
        records_outcome=not scope.retries,
        clock=scope.shared.clock,
        latencies=share(("usual answers", *whose), partial(Quantiles, _WINDOW)),
        budget=share(("copies", *whose, percent), partial(DepositBudget, percent)),
        copies=copies,
    )
    scope.shared.watch(hedge, route=scope.route, upstream=scope.upstream)
    scope.sends_copies = True
    return hedge.handle


class Hedge:
    """Sends copies of requests that may be repeated, while the upstream has room for them.

    A request that is answered before its delay costs neither a timer nor a task.
    """

    __slots__ = (
        "_budget",
        "_copy_tasks",
        "_delay",
        "_has_headroom",
        "_inner",
        "_keep",
        "_latencies",
        "_options",
        "_quantile",
        "_repeatable",
        "clock",
        "copies",
        "delays",
        "loop",
        "records_outcome",
    )

    def __init__(
        self,
        inner: Handler,
        options: HedgeOptions,
        has_headroom: Callable[[], bool],
        repeatable: Callable[[Exchange], bool],
        keep: Callable[[Body], None],
        *,
        records_outcome: bool,
        clock: Clock,
        latencies: Quantiles | None = None,
        budget: DepositBudget | None = None,
        copies: Counts | None = None,
    ) -> None:
        """``has_headroom``: whether the upstream has room for a copy.

        ``repeatable``: whether running a request twice is the same as once. ``keep``: has a body
        kept for its copies. ``records_outcome``: no retry above records the attempt that counts.
        ``latencies``, ``budget``, ``copies``: what is known already.
        """
        self._inner = inner
        self._options = options
        self._repeatable = repeatable
        self._keep = keep
        self._has_headroom = has_headroom
        self.records_outcome = records_outcome
        self._quantile = 0.0
        self._delay = 0.0
        if options.delay.startswith("p"):
            self._quantile = float(options.delay[1:]) / 100
        else:
            self._delay = float(Duration.parse(options.delay))
        self._latencies = latencies or Quantiles(_WINDOW)
        self._budget = budget or DepositBudget(options.budget_percent)
        self._copy_tasks: set[asyncio.Task[Reply]] = set()
        self.loop = asyncio.get_running_loop()
        self.delays = TimerLine(self.loop)
        self.clock = clock
        self.copies: Counter[str] = _copies() if copies is None else copies

    async def handle(self, exchange: Exchange) -> Reply:
        """The first good answer, or what the request itself came to."""
        if exchange.upgrade or exchange.bound or not self._repeatable(exchange):
            return await self._inner(exchange)
        body, before = exchange.body, 0.0
        if body is not EMPTY:
            self._keep(body)
            before = body.waited(self.clock())
        self._budget.deposit()
        started_at = self.clock()
        exchange.record.hedge_began_at = started_at
        delay = self.delay(started_at)
        if delay is None:
            reply = await self._inner(exchange)
        else:
            task = asyncio.current_task(self.loop)
            assert task is not None
            reply = await HedgedCall(self, exchange, delay, started_at, task).run(self._inner)
        if self._quantile and acceptable(reply):
            now = self.clock()
            # Where a copy has won, the request itself would have taken longer still. What a client
            # takes for its upload is no time of a server's.
            client = body.waited(now) - before if body is not EMPTY else 0.0
            self._latencies.observe(max(0.0, now - started_at - client), now)
        return reply

    def delay(self, now: float) -> float | None:
        """Seconds until a copy is sent; None while too few answers are known."""
        if not self._quantile:
            return self._delay
        usual = self._latencies.value(self._quantile, now)
        median = self._latencies.value(0.5, now)
        if usual is None or median is None:
            return None
        # While one of several servers is slow, the quantile is what that one takes: a copy after
        # that would help nobody. The median is still what the others take.
        return max(min(usual, _RUNAWAY * median), _SHORTEST)

    def make_copy(
        self, exchange: Exchange, running: int, launched: int, *, again: bool
    ) -> Exchange | None:
        """A copy of the request, or None if there may be none now after ``launched`` others, of
        which ``running`` are under way."""
        if running >= self._options.max or not self.may_copy_later(exchange, launched):
            return None
        if not self._has_headroom():
            return None
        body: Body | None = exchange.body.copy()
        if body is None:
            return None
        if not self._budget.withdraw(self._reserve(exchange, launched)):
            self.copies["over_budget"] += not again
            return None
        if not self.records_outcome:
            exchange.record.attempts_left -= 1
        return exchange.twin(body)

    def _reserve(self, exchange: Exchange, launched: int) -> float:
        """How full the budget has to be, from 1 down to 0 the longer a request has waited.

        By its nature 5 % of all requests take longer than 95 % do. They would use the budget up,
        and those that stall would find nothing left. So the ordinary tail has only what the budget
        cannot hold; who has waited for four times as long as usual has all that is there.
        """
        if not self._quantile or launched:
            return 0.0
        now = self.clock()
        usual = self.delay(now) or _SHORTEST
        waited = now - exchange.record.hedge_began_at
        return min(1.0, max(0.0, 1.0 - (waited / usual - 1.0) / (_CERTAIN - 1.0)))

    def may_copy_later(self, exchange: Exchange, launched: int) -> bool:
        """Whether there may be another copy after these, now or once one of them has failed."""
        if not (self.records_outcome or exchange.record.attempts_left):
            return False
        return launched < _REPLACED * self._options.max

    def launch(self, twin: Exchange) -> "asyncio.Task[Reply]":
        """Send a copy in a task of its own."""
        return keep(self.loop.create_task(answer(self._inner, twin)), self._copy_tasks)

    def describe(self, now: float) -> Iterator[Sample]:
        """For operators; ``now`` is monotonic."""
        if (delay := self.delay(now)) is not None:
            yield gauge("hedge_delay_seconds", delay)
