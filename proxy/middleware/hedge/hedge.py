"""A second copy of a request that takes unusually long: whichever answers first wins."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Final

from msgspec import Meta

from proxy.core.body import EMPTY, Body
from proxy.core.exchange import Exchange, Handler
from proxy.core.options import Duration, Table
from proxy.core.reply import Reply
from proxy.middleware.hedge.hedged_call import HedgedCall, acceptable
from proxy.policy.budget import DepositBudget
from proxy.policy.quantile import Quantiles

PATTERN: Final = r"^(p[1-9][0-9](\.[0-9])?|[0-9]+(\.[0-9]+)?(ms|s|m|h))$"
_SHORTEST: Final = 0.001


class HedgeOptions(Table, frozen=True, kw_only=True):
    """Send a copy to another server when one takes unusually long; the first good answer counts."""

    delay: Annotated[
        str,
        Meta(
            pattern=PATTERN,
            description='After how long: a quantile of what the route takes, "p95", or a time, '
            '"500ms".',
        ),
    ] = "p95"
    max: Annotated[
        int, Meta(ge=1, le=5, description="Copies of a request, one after the other.")
    ] = 1
    budget_percent: Annotated[
        float, Meta(ge=0, le=100, description="Copies, in percent of the requests.")
    ] = 5.0


class Hedge:
    """Sends copies of what may be repeated, while the upstream has the room for them.

    The request itself runs in the caller's task, so one that is answered in time costs a timer and
    no task. A copy that wins cancels it there.
    """

    __slots__ = (
        "_budget",
        "_delay",
        "_has_headroom",
        "_inner",
        "_keep",
        "_options",
        "_quantile",
        "_repeatable",
        "_taken",
        "_tasks",
        "alone",
        "loop",
        "sent",
        "won",
    )

    def __init__(
        self,
        inner: Handler,
        options: HedgeOptions,
        has_headroom: Callable[[], bool],
        repeatable: Callable[[Exchange], bool],
        keep: Callable[[Body], None],
        *,
        alone: bool,
    ) -> None:
        """``has_headroom``: whether the upstream has room for a copy.

        ``repeatable``: whether running a request twice is the same as once. ``keep``: has a body
        kept for its copies.
        ``alone``: nobody above lists the attempts.
        """
        self._inner = inner
        self._options = options
        self._repeatable = repeatable
        self._keep = keep
        self._has_headroom = has_headroom
        self.alone = alone
        self._quantile = 0.0
        self._delay = 0.0
        if options.delay.startswith("p"):
            self._quantile = float(options.delay[1:]) / 100
        else:
            self._delay = float(Duration.parse(options.delay))
        self._taken = Quantiles(window=300.0)
        self._budget = DepositBudget(options.budget_percent)
        self._tasks: set[asyncio.Task[Reply]] = set()
        self.loop = asyncio.get_running_loop()
        self.sent = 0
        self.won = 0

    async def handle(self, exchange: Exchange) -> Reply:
        """The first good answer, or what the request itself came to."""
        if exchange.upgrade or exchange.bound or not self._repeatable(exchange):
            return await self._inner(exchange)
        if exchange.body is not EMPTY:
            self._keep(exchange.body)
        self._budget.deposit()
        began = self.loop.time()
        delay = self.delay(began)
        if delay is None:
            reply = await self._inner(exchange)
        else:
            reply = await HedgedCall(self, exchange, delay, began).run(self._inner)
        now = self.loop.time()
        if acceptable(reply):
            # Where a copy has won, the request itself would have taken longer still.
            self._taken.observe(now - began, now)
        return reply

    def delay(self, now: float) -> float | None:
        """Seconds until a copy is worth it; None while too little is known."""
        if not self._quantile:
            return self._delay
        usual = self._taken.value(self._quantile, now)
        return None if usual is None else max(usual, _SHORTEST)

    def copied(self, exchange: Exchange, asked: int) -> Exchange | None:
        """Another one like it, where there may be one after ``asked`` others."""
        if asked >= self._options.max or not self._has_headroom():
            return None
        body: Body | None = exchange.body.copy()
        if body is None or not self._budget.withdraw():
            return None
        self.sent += 1
        return exchange.twin(body)

    def send(self, twin: Exchange) -> "asyncio.Task[Reply]":
        """Begin with a copy."""
        task = self.loop.create_task(_sent(self._inner, twin))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def report(self, now: float) -> dict[str, Any]:
        """Its state for operators."""
        delay = self.delay(now)
        return {
            "sent": self.sent,
            "won": self.won,
            "over_budget": self._budget.refused,
            "delay_ms": None if delay is None else round(delay * 1000, 3),
        }


async def _sent(inner: Handler, twin: Exchange) -> Reply:
    return await inner(twin)
