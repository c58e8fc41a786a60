"""Try again when nothing can have happened twice. Which requests: see ``may_repeat``."""

import logging
import random
from collections.abc import Set
from typing import Any, Final, cast

from aiohttp_retry import RetryClient, RetryOptionsBase
from aiohttp_retry.client import RequestParams

from proxy.core.body import EMPTY
from proxy.core.clock import Clock
from proxy.core.errors import (
    AttemptTimeout,
    CertificateInvalid,
    NotAttempted,
    UpstreamError,
    forget_frames,
)
from proxy.core.exchange import Exchange, Handler
from proxy.core.outcome import CONNECT_FAILURE, attempt_outcome, failure_class, repeatable
from proxy.core.reply import Ending, Reply
from proxy.core.scope import Hold, UpstreamScope
from proxy.http.retry_after import retry_after
from proxy.middleware.retry.adapters import AttemptResponse, AttemptSession
from proxy.middleware.retry.may_repeat import may_repeat
from proxy.middleware.retry.options import RetryOptions, statuses
from proxy.middleware.retry.upstream_budget import UpstreamBudget
from proxy.policy.backoff import Backoff
from proxy.policy.budget import Budget

log = logging.getLogger(__name__)

_MAX_UNREAD: Final = 64 << 10
"""Bytes kept of a body that is sent again only if its connection had ended before it came."""


def link(scope: UpstreamScope, inner: Handler) -> Handler | None:
    """Where ``[retry] attempts`` is more than one. All routes to an upstream share its budget."""
    options = scope.find(RetryOptions)
    if options is None or not scope.retries:
        return None
    shared, budget = scope.shared, scope.retry_budget
    shown = shared.share(("retry", scope.upstream, options.budget), lambda: UpstreamBudget(budget))
    shared.watch(shown, upstream=scope.upstream)
    return Retry(inner, options, budget, shared.rng, scope.hold, clock=shared.clock).handle


class Retry:
    """Runs the loop of aiohttp-retry over the rest of the chain, with a policy of ours.

    aiohttp-retry brings the loop; what may go again, when and how long to wait is decided in
    ``_Attempts``, a fresh one for each exchange. The library's defaults would repeat POSTs, leave
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
        clock: Clock,
    ) -> None:
        """``budget``: shared by all that send to the same upstream.

        ``hold``: waits until a reply is good enough to be shown, see ``middleware/commit``.
        """
        self._inner = inner
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
        options = self._options
        # A request that may not be repeated is sent again only if nothing of it was read.
        if exchange.body is not EMPTY:
            if repeatable(exchange, options):
                options.keep(exchange.body)
            else:
                exchange.body.keep(_MAX_UNREAD, spool=False)
        started_at = self._clock()
        self._budget.request(started_at)
        record = exchange.record
        record.attempts_left, record.attempt_began_at = options.attempts - 1, started_at
        first: Reply | UpstreamError
        try:
            first = await self._inner(exchange)
            if self._hold is not None and first.buffered is None:
                await self._hold(exchange, first)
        except UpstreamError as error:
            forget_frames(error)
            first = error
        else:
            if first.status not in self._statuses:
                if record.attempt_log:  # those that it has overtaken, see middleware/hedge/hedge
                    status = str(first.status)
                    record.log_attempt(record.endpoint, status, started_at, self._clock())
                return first
        loop = _Attempts(
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
        except (_MayRepeat, UpstreamError) as failed:  # the tries ran out, or no other may follow
            last = failed.error if isinstance(failed, _MayRepeat) else failed
            forget_frames(failed)
            loop.log_last(attempt_outcome(last))
            if attempts := exchange.record.attempt_log:
                last.detail = f"{last.detail}; tries: {', '.join(map(str, attempts))}"
            raise last from None
        finally:
            loop.release()
        reply = cast(AttemptResponse, cast(Any, attempt)).reply
        loop.log_last(str(reply.status))
        return reply

    async def _attempt(self, exchange: Exchange) -> Reply:
        reply = await self._inner(exchange)
        if self._hold is not None and reply.buffered is None:
            await self._hold(exchange, reply)
        return reply


class _MayRepeat(Exception):
    """An attempt failed in a way that allows another."""

    def __init__(self, error: UpstreamError) -> None:
        super().__init__(error)
        self.error = error


class _Attempts(RetryOptionsBase):
    """Makes the attempts of one exchange and decides whether another may follow, and when."""

    def __init__(
        self,
        exchange: Exchange,
        inner: Handler,
        options: RetryOptions,
        *,
        again: Set[str],
        budget: Budget,
        backoff: Backoff,
        clock: Clock,
        first: Reply | UpstreamError,
        started_at: float,
    ) -> None:
        """``again``: what ``[retry] on`` names, each status by itself.

        ``first``: what became of the first attempt, which began at ``started_at``."""
        super().__init__(
            attempts=options.attempts,
            methods=(exchange.method,),
            exceptions=(_MayRepeat,),
            retry_all_server_errors=False,
            evaluate_response_callback=self._accepts,
        )
        self._exchange = exchange
        self._inner = inner
        self._options = options
        self._again = again
        self._budget = budget
        self._backoff = backoff
        self._clock = clock
        self._first: Reply | UpstreamError | None = first
        self._started_at = started_at
        self._attempt_count = 0
        self._last_was_made = True
        self._failed: UpstreamError | None = None
        self._wait = 0.0

    def release(self) -> None:
        """Drop what refers to this object, and the failures before the last."""
        self.evaluate_response_callback = None
        self._failed = self._first = None

    async def attempt(self) -> Reply:
        """One attempt, or what became of the first. Raises _MayRepeat if another may follow."""
        exchange = self._exchange
        self._attempt_count += 1
        try:
            if (first := self._first) is not None:
                self._first = None
                if isinstance(first, Reply):
                    return first
                raise first
            record = exchange.record
            record.attempts_left = self._options.attempts - self._attempt_count
            record.attempt_began_at = self._started_at = self._clock()
            return await self._inner(exchange)
        except UpstreamError as error:
            if isinstance(error, NotAttempted) and self._failed is not None:
                # This attempt was not made: the failure of the one before says more.
                self._last_was_made = False
                raise self._failed from None
            if isinstance(error, CertificateInvalid) and not error.alternative_ready:
                raise  # a wrong certificate is as wrong the next time
            if exchange.suffices is not None and exchange.suffices(error):
                raise
            failure = failure_class(error)
            # Nothing was sent, and another server is there: that costs nobody anything.
            free = failure == CONNECT_FAILURE and error.alternative_ready
            wait = 0.0 if free else self._backoff.wait(self._attempt_count)
            asked_for = failure in self._again or isinstance(error, AttemptTimeout)
            if asked_for and self._allow_another(failure, wait, free=free):
                forget_frames(error)
                self._failed = error
                raise _MayRepeat(error) from None
            raise

    async def _accepts(self, response: Any) -> bool:
        """Whether this reply is the answer. One that is not is closed before the wait."""
        reply = cast(AttemptResponse, response).reply
        if (suffices := self._exchange.suffices) is not None and suffices(reply):
            return True
        wait: float | None = None
        if self._options.respect_retry_after and not reply.alternative_ready:
            wait = retry_after(reply.headers)
            if wait is not None and wait > self._options.max_retry_after > 0:
                return True
        if wait is None:
            wait = self._backoff.wait(self._attempt_count)
        status = str(reply.status)
        if status not in self._again or not self._allow_another(status, wait):
            return True
        # Before the wait: its connection is free for others.
        reply.close(Ending.ABANDONED if reply.buffered is None else Ending.COMPLETE)
        return False

    def log_last(self, outcome: str) -> None:
        """Log the last attempt too, if it was not the only one."""
        record = self._exchange.record
        if record.attempt_log and self._last_was_made:
            record.log_attempt(record.endpoint, outcome, self._started_at, self._clock())

    def get_timeout(self, attempt: int, response: Any = None) -> float:
        """Seconds until the next attempt, as decided when the last one was judged."""
        return self._wait

    def _allow_another(self, failure: str, wait: float, *, free: bool = False) -> bool:
        """Whether another attempt may be made ``wait`` seconds after a failure of this class.

        If so, the failed one is logged and, unless it is ``free``, the budget is charged.
        """
        options, exchange = self._options, self._exchange
        unsent = failure == CONNECT_FAILURE
        if not may_repeat(exchange, options, nothing_sent=unsent):
            return False
        if unsent and options.wait_for_connect and not free:
            return False  # there is no other server: what is above waits until there is one
        now = self._clock()
        if 0 < options.only_if_failed_within < now - self._started_at:
            return False
        if exchange.deadline is not None and now + wait >= exchange.deadline:
            return False
        if self._attempt_count >= options.attempts or not (free or self._budget.spend(now)):
            return False
        record = exchange.record
        record.log_attempt(record.endpoint, failure, self._started_at, now)
        self._wait = wait
        return True
