"""How many requests an upstream has at a time, and the order in which the others wait."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from proxy.core.clock import Clock
from proxy.core.errors import DeadlineTooShort, QueueFull, QueueTimeout
from proxy.core.exchange import Exchange, Handler
from proxy.core.record import PERMIT, Wait
from proxy.core.reply import Reply
from proxy.core.scope import UpstreamScope
from proxy.core.timeouts import TimeoutsOptions
from proxy.core.words import in_seconds
from proxy.http.priority import level
from proxy.middleware.concurrency.options import ConcurrencyOptions, QueueOptions, waiter_key
from proxy.middleware.concurrency.permit import Permit
from proxy.middleware.concurrency.told import Answer, Outcome, tell
from proxy.middleware.concurrency.upstream_limit import HeadTimes, UpstreamLimit
from proxy.net.loop_turns import LoopTurns
from proxy.net.timer_line import TimerLine
from proxy.policy.limiter import ConcurrencyLimiter
from proxy.policy.permit_loans import GRACE, Loans
from proxy.policy.queue import Waiter
from proxy.policy.soonest import Soonest

_NEVER: Final = float("inf")

Usual: TypeAlias = Callable[[Exchange, float], float | None]
"""Seconds that a request takes at the least, where that is known; is given the time now."""
Watch: TypeAlias = Callable[[Exchange, float, float, Reply | BaseException], None]
"""Is given a request, its seconds, the time now, and what came."""


def link(scope: UpstreamScope, inner: Handler) -> Handler | None:
    """Where there is ``[concurrency]``. All routes to an upstream share its permits."""
    options, queue = scope.find(ConcurrencyOptions), scope.find(QueueOptions)
    shared, key = scope.shared, ("concurrency", scope.upstream)
    if options is None:
        shared.do_without(key, UpstreamLimit.lift)
        return None
    show = shared.show_keys
    limit = shared.share(
        key,
        lambda: UpstreamLimit(options, queue, show),
        lambda before: before.follow(options, queue, show),
    )
    limit.upstream = scope.upstream
    shared.watch(limit, upstream=scope.upstream)
    scope.has_headroom.append(lambda: limit.limiter.free)
    times = shared.share(
        ("head times", scope.identity, scope.upstream, scope.has_deadlines),
        lambda: HeadTimes(
            limit,
            Soonest() if scope.has_deadlines else None,
            LoopTurns(asyncio.get_running_loop().call_soon, shared.clock),
        ),
    )
    timeouts = scope.find(TimeoutsOptions) or TimeoutsOptions()
    return Concurrency(
        inner,
        limit.limiter,
        queue,
        timeouts.queue,
        usual=times.shortest if scope.has_deadlines else None,
        watch=times.observe if scope.has_deadlines or options.adaptive != "off" else None,
        sends=times.begin if options.adaptive != "off" else None,
        clock=shared.clock,
        loans=limit.loans,
        upstream=scope.upstream,
    ).handle


class Concurrency:
    """Lets a request through with a permit, which it has until its reply has ended."""

    __slots__ = (
        "_clock",
        "_inner",
        "_key",
        "_limiter",
        "_loans",
        "_looking",
        "_loop",
        "_patience",
        "_priority",
        "_sends",
        "_turns",
        "_upstream",
        "_usual",
        "_watch",
        "queue",
    )

    def __init__(
        self,
        inner: Handler,
        limiter: ConcurrencyLimiter,
        queue: QueueOptions | None,
        patience: float,
        *,
        usual: Usual | None = None,
        watch: Watch | None = None,
        sends: Callable[[float], None] | None = None,
        loans: Loans | None = None,
        upstream: str = "",
        clock: Clock,
    ) -> None:
        """``patience`` in seconds, 0 for any; ``usual``: what a request takes at the least.

        ``sends`` is told that a request goes out, ``watch`` then how long its head took, or what
        came instead of one. ``loans``: shared by all that share the limiter.
        """
        self._inner = inner
        self._limiter = limiter
        self._loans = loans or Loans(limiter)
        self._looking: asyncio.TimerHandle | None = None
        self._patience = patience
        self._upstream = upstream
        self._usual = usual
        self._watch = watch
        self._sends = sends
        self._loop = asyncio.get_running_loop()
        self._turns = TimerLine(self._loop)
        self._clock = clock
        self.queue = queue
        self._priority = b"" if queue is None else queue.priority_header.lower().encode()
        self._key = waiter_key(queue)

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises QueueFull, QueueTimeout or DeadlineTooShort where it is not let through."""
        limiter = self._limiter
        key = self._key(exchange)
        if not limiter.try_acquire(key):
            await self._wait(exchange, key)
        task = asyncio.current_task(self._loop)
        permit = Permit(self._loans, exchange, key, self._clock, task)
        self._loans.begin(permit)
        if self._sends is not None:
            self._sends(permit.began)
        try:
            reply = await self._inner(exchange)
        except BaseException as error:
            now = self._clock()
            if self._watch is not None:
                self._watch(exchange, permit.served(now), now, error)
            self._loans.end(permit, now)
            raise
        now = self._clock()
        if self._watch is not None:
            self._watch(exchange, permit.served(now), now, reply)
        if reply.buffered is not None:
            self._loans.end(permit, now)
        else:
            permit.tunnel = reply.upgraded is not None
            reply.on_close(permit)
        return reply

    async def _wait(self, exchange: Exchange, key: bytes | None) -> None:
        """Until there is a permit, which is taken then."""
        limiter, clock = self._limiter, self._clock
        asked = clock()
        patient_until = asked + self._patience if self._patience else _NEVER
        usual = 0.0
        if exchange.deadline is not None:
            usual = (self._usual(exchange, asked) if self._usual is not None else None) or 0.0
            if exchange.deadline - usual <= asked:
                raise DeadlineTooShort(
                    "less time is left than a request takes, and others are waiting",
                    clock=exchange.record.bound[0],
                )

        def until() -> float:
            # Of a shared call it becomes later with each client that joins.
            last = _NEVER if exchange.deadline is None else exchange.deadline - usual
            return min(last, patient_until)

        if self._loans.look(asked) and limiter.try_acquire(key):
            return
        future: Answer = self._loop.create_future()
        urgency = level(exchange.headers, self._priority)
        waiter = Waiter(key, urgency, partial(tell, future), asked)
        if not limiter.enqueue(waiter):
            raise QueueFull(self._full(), retry_after=limiter.retry_after(asked))
        if self._looking is None:
            self._looking = self._loop.call_later(GRACE / 4, self._look)
        turn = _PermitTurn(limiter, waiter, future, self._turns, until)
        turn.begin()
        record = exchange.record
        record.wait = Wait(PERMIT, asked, self._upstream)
        try:
            outcome = await future
        except BaseException:  # cancelled; maybe with the permit already in hand
            given = future.done() and not future.cancelled()
            if given and future.result() is Outcome.THROUGH:
                limiter.release(key, clock())
            limiter.dequeue(waiter)
            raise
        finally:
            self._turns.leave(turn)
            record.end_wait(clock())
        if outcome is Outcome.THROUGH:
            return
        waited = in_seconds(clock() - asked)
        if outcome is Outcome.TIMEOUT and until() < patient_until:
            raise DeadlineTooShort(
                f"waited {waited} for a permit; less is left than a request takes",
                clock=exchange.record.bound[0],
            )
        again = limiter.retry_after(clock())
        if outcome is Outcome.TIMEOUT:
            raise QueueTimeout(f"waited {waited} for a permit", retry_after=again)
        raise QueueFull("others had more right to a place in the queue", retry_after=again)

    def _look(self) -> None:
        """While somebody waits."""
        self._looking = None
        if self._limiter.waiting:
            self._loans.look(self._clock())
            self._looking = self._loop.call_later(GRACE / 4, self._look)

    def _full(self) -> str:
        limiter = self._limiter
        one = limiter.in_flight == 1
        under_way = f"{limiter.in_flight} {'request is' if one else 'requests are'} under way"
        if self.queue is None:
            return f"{under_way}, and there is no queue"
        return f"the queue is full: {under_way}, {limiter.waiting} wait"


class _PermitTurn:
    """How long one waits."""

    __slots__ = ("_future", "_limiter", "_rings_at", "_turns", "_until", "_waiter")

    def __init__(
        self,
        limiter: ConcurrencyLimiter,
        waiter: Waiter,
        future: Answer,
        turns: TimerLine,
        until: Callable[[], float],
    ) -> None:
        """``until`` may become later. ``turns``: all that wait."""
        self._limiter = limiter
        self._waiter = waiter
        self._future = future
        self._turns = turns
        self._until = until
        self._rings_at = _NEVER

    def begin(self) -> None:
        """The wait goes on, or begins."""
        self._rings_at = at = self._until()
        if at != _NEVER:
            self._turns.enter(self, at)

    def rang(self) -> None:
        """The time is over, unless it has become later."""
        # In the same turn of the loop, the client may have left, or the permit have come.
        if self._future.done():
            return
        if self._until() > self._rings_at:
            self.begin()
        elif self._limiter.dequeue(self._waiter):
            self._limiter.timed_out += 1
            self._future.set_result(Outcome.TIMEOUT)
