"""Try again when nothing can have happened twice. Which requests: see ``may_repeat``."""

import logging
import random
from asyncio import CancelledError
from collections.abc import Iterator
from typing import Any, Final, cast

from aiohttp_retry import RetryClient
from aiohttp_retry.client import RequestParams

from proxy.core.body import EMPTY
from proxy.core.clock import Clock
from proxy.core.errors import UpstreamError, forget_frames
from proxy.core.exchange import Exchange, Handler
from proxy.core.outcome import attempt_outcome, repeatable
from proxy.core.reply import Reply
from proxy.core.samples import Sample, counter, gauge
from proxy.core.scope import Hold, UpstreamScope
from proxy.middleware.retry.attempts import (
    AttemptResponse,
    Attempts,
    AttemptSession,
    MayRepeat,
)
from proxy.middleware.retry.options import BudgetOptions, RetryOptions, statuses
from proxy.middleware.retry.stalled import StalledAttempts, stalled_attempts
from proxy.policy.backoff import Backoff
from proxy.policy.budget import Budget

log = logging.getLogger(__name__)

_MAX_UNREAD: Final = 64 << 10
"""Bytes kept of a body that is sent again only if its connection had ended before it came."""


def link(scope: UpstreamScope, inner: Handler) -> Handler | None:
    """Where ``[retry] attempts`` is more than one.

    Routes to an upstream share a budget where their ``[retry.budget]`` is the same.
    """
    options = scope.find(RetryOptions)
    if options is None or not scope.retries:
        return None
    shared, budget, limits = scope.shared, scope.retry_budget, options.budget
    shown = shared.share(("retry", scope.upstream, limits), lambda: UpstreamBudget(budget, limits))
    shared.watch(shown, upstream=scope.upstream)
    stalled = stalled_attempts(scope, options, inner)
    return Retry(
        inner, options, budget, shared.rng, scope.hold, stalled=stalled, clock=shared.clock
    ).handle


class UpstreamBudget:
    """One for all routes to an upstream that have equal ``[retry.budget]``, as operators see it."""

    __slots__ = ("budget", "options")

    def __init__(self, budget: Budget, options: BudgetOptions) -> None:
        """``options``: what it was made from; routes with other ones have another budget."""
        self.budget = budget
        self.options = options

    def describe(self, now: float) -> Iterator[Sample]:
        """For operators; ``now`` is monotonic."""
        budget, options = self.budget, self.options
        yield gauge("retry_budget_requests", budget.requests(now))
        yield gauge("retry_budget_spent", budget.spent(now))
        yield gauge("retry_budget_available", budget.available(now))
        yield counter("retry_budget_refused", budget.refused)
        yield gauge("retry_budget_percent", options.percent)
        yield gauge("retry_budget_min_per_second", options.min_per_second)


class Retry:
    """Runs the loop of aiohttp-retry over the rest of the chain, with a policy of ours.

    aiohttp-retry brings the loop; what may go again, when and how long to wait is decided in
    ``Attempts``, a fresh one for each exchange. The library's defaults would repeat POSTs, leave
    rejected replies open during the wait and send empty bodies the second time.
    """

    __slots__ = (
        "_again",
        "_backoff",
        "_budget",
        "_client",
        "_clock",
        "_hold",
        "_inner",
        "_options",
        "_stalled",
        "_statuses",
    )

    def __init__(
        self,
        inner: Handler,
        options: RetryOptions,
        budget: Budget,
        rng: random.Random,
        hold: Hold | None = None,
        *,
        stalled: StalledAttempts | None = None,
        clock: Clock,
    ) -> None:
        """``budget``: shared by all that send to the same upstream with an equal one.

        ``hold``: waits until a reply is good enough to be shown, see ``middleware/commit``.
        ``stalled``: ends attempts whose client is about to leave.
        """
        self._inner = inner
        self._stalled = stalled
        self._hold = hold
        self._budget = budget
        self._options = options
        self._statuses = statuses(options.on)
        self._again = frozenset(options.on) | frozenset(map(str, self._statuses))
        self._backoff = Backoff(options.backoff_base, options.backoff_max, rng)
        self._client = RetryClient(client_session=cast(Any, AttemptSession()), logger=log)
        self._clock = clock

    async def handle(self, exchange: Exchange) -> Reply:
        """As often as the policy allows; the last attempt's reply or error is what comes back.

        The loop is set up only for a first attempt that it may have to repeat.
        """
        options, record = self._options, exchange.record
        started_at = self._clock()
        # A request that may not be repeated is sent again only if nothing of it was read.
        if exchange.body is not EMPTY:
            if repeatable(exchange, options):
                options.keep(exchange.body)
            else:
                exchange.body.keep(_MAX_UNREAD, spool=False)
        self._budget.request(started_at)
        record.attempts_left, record.attempt_began_at = options.attempts - 1, started_at
        if record.queue_s:
            record.queued_before = record.queue_s
        first: Reply | UpstreamError
        stalled = self._stalled
        try:
            # As _attempt does it, without the call: nearly every request has one attempt only.
            first = await (self._inner if stalled is None else stalled.handle)(exchange)
            if self._hold is not None and first.buffered is None:
                await self._hold(exchange, first)
        except UpstreamError as error:
            forget_frames(error)
            first = error
        except CancelledError:
            if stalled is not None:
                stalled.left(exchange, started_at)
            raise
        else:
            if first.status not in self._statuses:
                if record.attempt_log:  # those that it has overtaken, see middleware/hedge/hedge
                    status = str(first.status)
                    began = record.attempt_began_at  # that of a copy may have won
                    record.log_attempt(record.endpoint, status, began, self._clock())
                return first
        loop = Attempts(
            exchange,
            self._attempt,
            options,
            again=self._again,
            budget=self._budget,
            backoff=self._backoff,
            clock=self._clock,
            first=first,
            started_at=started_at,
        )
        params = RequestParams(exchange.method, "", kwargs={"loop": loop})
        try:
            attempt = await self._client.requests([params], retry_options=loop)
        except (MayRepeat, UpstreamError) as failed:  # the tries ran out, or no other may follow
            last = failed.error if isinstance(failed, MayRepeat) else failed
            forget_frames(failed)
            loop.log_last(attempt_outcome(last))
            if attempts := exchange.record.attempt_log:
                last.detail = f"{last.detail}; tries: {', '.join(map(str, attempts))}"
            raise last from None
        except CancelledError:
            if stalled is not None:
                stalled.left(exchange, started_at)
            raise
        finally:
            loop.release()
        reply = cast(AttemptResponse, cast(Any, attempt)).reply
        loop.log_last(str(reply.status))
        return reply

    async def _attempt(self, exchange: Exchange) -> Reply:
        """One that follows another."""
        stalled = self._stalled  # its handle changes as it learns, so it is looked up each time
        reply = await (self._inner if stalled is None else stalled.handle)(exchange)
        if self._hold is not None and reply.buffered is None:
            await self._hold(exchange, reply)
        return reply
