"""A second copy of a request that takes unusually long: whichever answers first wins."""

import asyncio
import copy
from collections.abc import Callable
from typing import Annotated, Any, Final

from msgspec import Meta

from proxy.core.body import EMPTY, Body
from proxy.core.errors import UpstreamError
from proxy.core.exchange import HEDGED, Exchange, Try
from proxy.core.handler import Handler
from proxy.core.options import Duration, Table
from proxy.core.reply import Ending, Reply
from proxy.core.retrying import RetryOptions, repeatable
from proxy.policy.allowance import Allowance
from proxy.policy.quantile import Quantiles

PATTERN: Final = r"^(p[1-9][0-9](\.[0-9])?|[0-9]+(\.[0-9]+)?(ms|s|m|h))$"
_REFUSED: Final = 500
_TOO_MANY: Final = 429
_SHORTEST: Final = 0.001


class HedgeOptions(Table, frozen=True, kw_only=True):
    """Ask another server too when one takes unusually long; the first good answer counts."""

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
        "_allowance",
        "_calm",
        "_delay",
        "_inner",
        "_options",
        "_quantile",
        "_retry",
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
        retry: RetryOptions,
        calm: Callable[[], bool],
        *,
        alone: bool,
    ) -> None:
        """``retry`` says what may be repeated; ``calm``: whether there is room for a copy.

        ``alone``: nobody above lists the attempts.
        """
        self._inner = inner
        self._options = options
        self._retry = retry
        self._calm = calm
        self.alone = alone
        self._quantile = 0.0
        self._delay = 0.0
        if options.delay.startswith("p"):
            self._quantile = float(options.delay[1:]) / 100
        else:
            self._delay = float(Duration.parse(options.delay))
        self._taken = Quantiles(window=300.0)
        self._allowance = Allowance(options.budget_percent)
        self._tasks: set[asyncio.Task[Reply]] = set()
        self.loop = asyncio.get_running_loop()
        self.sent = 0
        self.won = 0

    async def handle(self, exchange: Exchange) -> Reply:
        """The first good answer, or what the request itself came to."""
        if exchange.upgrade or not repeatable(exchange, self._retry):
            return await self._inner(exchange)
        if exchange.body is not EMPTY:
            exchange.body.keep(self._retry.max_body, spool=self._retry.spool)
        self._allowance.earn()
        began = self.loop.time()
        delay = self.delay(began)
        if delay is None:
            reply = await self._inner(exchange)
        else:
            reply = await _Race(self, exchange, delay, began).run(self._inner)
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
        if asked >= self._options.max or not self._calm():
            return None
        body: Body | None = exchange.body.copy()
        if body is None or not self._allowance.spend():
            return None
        twin = copy.copy(exchange)
        twin.body = body
        twin.inform = None
        twin.attempts = 0
        self.sent += 1
        return twin

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
            "over_budget": self._allowance.refused,
            "delay_ms": None if delay is None else round(delay * 1000, 3),
        }


async def _sent(inner: Handler, twin: Exchange) -> Reply:
    return await inner(twin)


def acceptable(reply: Reply) -> bool:
    """Whether it is an answer, not a refusal."""
    return reply.status < _REFUSED and reply.status != _TOO_MANY


class _Race:
    """A request and its copies."""

    __slots__ = (
        "_began",
        "_copies",
        "_delay",
        "_exchange",
        "_hedge",
        "_news",
        "_over",
        "_slow",
        "_task",
        "_timer",
        "_winner",
    )

    def __init__(self, hedge: Hedge, exchange: Exchange, delay: float, began: float) -> None:
        self._hedge = hedge
        self._exchange = exchange
        self._delay = delay
        self._began = began
        self._copies: dict[asyncio.Task[Reply], tuple[Exchange, float]] = {}
        self._slow: list[tuple[Exchange, float]] = []
        self._winner: tuple[Exchange, Reply] | None = None
        self._news: asyncio.Future[None] | None = None
        self._over = False
        task = asyncio.current_task()
        assert task is not None
        self._task: asyncio.Task[Any] = task
        self._timer: asyncio.TimerHandle | None = hedge.loop.call_later(delay, self._late)

    async def run(self, inner: Handler) -> Reply:
        """Until somebody has won."""
        try:
            own: Reply | UpstreamError = await inner(self._exchange)
        except UpstreamError as error:
            own = error
        except asyncio.CancelledError:
            if self._winner is None or self._task.uncancel():
                self._end()
                raise
            return self._won()
        except BaseException:
            self._end()
            raise
        if isinstance(own, UpstreamError) or not acceptable(own):
            self._stop_timer()
            try:
                await self._others()
            except BaseException:
                if isinstance(own, Reply):
                    own.close(Ending.ABANDONED)
                self._end()
                raise
            if self._winner is not None:
                if isinstance(own, Reply):
                    own.close(Ending.ABANDONED if own.buffered is None else Ending.COMPLETE)
                return self._won()
        self._end()
        self._list(None, own)
        if isinstance(own, UpstreamError):
            raise own
        return own

    def _late(self) -> None:
        """The request takes unusually long."""
        self._timer = None
        hedge, exchange = self._hedge, self._exchange
        twin = hedge.copied(exchange, len(self._slow))
        if twin is None:
            return
        now = hedge.loop.time()
        # So that a server is asked that has not been asked.
        twin.tries += tuple(
            Try(one.endpoint, HEDGED, now - asked)
            for one, asked in [(exchange, self._began), *self._slow]
        )
        task = hedge.send(twin)
        self._copies[task] = (twin, now)
        self._slow.append((twin, now))
        task.add_done_callback(self._came)
        self._timer = hedge.loop.call_later(self._delay, self._late)

    def _came(self, task: "asyncio.Task[Reply]") -> None:
        """A copy has been answered, or has failed."""
        twin, _ = self._copies.pop(task, (None, 0.0))
        if not task.cancelled() and task.exception() is None:
            reply = task.result()
            if twin is not None and not self._over and self._winner is None and acceptable(reply):
                self._winner = (twin, reply)
                if self._news is None:
                    self._task.cancel()
            else:
                reply.close(Ending.ABANDONED if reply.buffered is None else Ending.COMPLETE)
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def _others(self) -> None:
        """Wait for the copies, since the request itself has failed."""
        while self._winner is None and self._copies:
            self._news = self._hedge.loop.create_future()
            await self._news

    def _won(self) -> Reply:
        """A copy has: what it found out is what is known of the request."""
        assert self._winner is not None
        twin, reply = self._winner
        self._winner = None
        self._end()
        self._hedge.won += 1
        self._list(twin, reply)
        exchange = self._exchange
        exchange.endpoint, exchange.upstream = twin.endpoint, twin.upstream
        exchange.connected, exchange.first_byte = twin.connected, twin.first_byte
        exchange.elsewhere = twin.elsewhere
        return reply

    def _list(self, winner: Exchange | None, came: Reply | UpstreamError) -> None:
        """Of several attempts, those that lost; the one that counts where nobody else lists it."""
        if not self._slow:
            return
        now = self._hedge.loop.time()
        exchange = self._exchange
        exchange.attempts += sum(twin.attempts for twin, _ in self._slow)
        for one, asked in [(exchange, self._began), *self._slow]:
            if one is not (winner or exchange):
                exchange.tries += (Try(one.endpoint, HEDGED, now - asked),)
        if self._hedge.alone:
            counts = winner or exchange
            outcome = str(came.status) if isinstance(came, Reply) else type(came).__name__
            exchange.tries += (Try(counts.endpoint, outcome, now - self._began),)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        """Nobody waits for the others any more."""
        self._over = True
        self._stop_timer()
        if self._winner is not None:
            self._winner[1].close(Ending.ABANDONED)
            self._winner = None
        for task in self._copies:
            task.cancel()
