"""The attempts of one exchange, one after the other: whether another may follow, and when."""

from collections.abc import Set
from typing import Any, Final, cast

from aiohttp_retry import RetryOptionsBase

from proxy.core.clock import Clock
from proxy.core.errors import (
    AttemptTimeout,
    NotAttempted,
    UpstreamError,
    forget_frames,
)
from proxy.core.exchange import Exchange, Handler
from proxy.core.outcome import CONNECT_FAILURE, STALE_CONNECTION, failure_class, lasts
from proxy.core.reply import NoMoreBytes, Reply
from proxy.http.retry_after import retry_after
from proxy.middleware.retry.may_repeat import another_allowed
from proxy.middleware.retry.options import RetryOptions
from proxy.policy.backoff import Backoff
from proxy.policy.budget import Budget

_KEPT: Final = 8 << 10
"""Bytes of a rejected body that are kept: many requests may wait for another try."""


class MayRepeat(Exception):
    """An attempt failed in a way that allows another."""

    def __init__(self, error: UpstreamError) -> None:
        super().__init__(error)
        self.error = error


class AttemptResponse:
    """A reply as aiohttp-retry sees it."""

    __slots__ = ("method", "reply", "status")

    def __init__(self, method: str, reply: Reply) -> None:
        self.method = method
        self.status = reply.status
        self.reply = reply


class AttemptSession:
    """The session that aiohttp-retry is given: a request on it is one attempt of the loop."""

    __slots__ = ()

    async def request(
        self, method: str, url: str, *, loop: "Attempts", **_: object
    ) -> AttemptResponse:
        """One attempt of the loop."""
        return AttemptResponse(method, await loop.attempt())


class Attempts(RetryOptionsBase):
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
            exceptions=(MayRepeat,),
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
        self._before: Reply | UpstreamError | None = None
        """What the last attempt came to, if it was made and another one followed."""
        self._wait = self._failed_at = 0.0

    def release(self) -> None:
        """Drop what refers to this object, and what came before the last attempt."""
        self.evaluate_response_callback = None
        self._before = self._first = None

    async def attempt(self) -> Reply:
        """One attempt, or what became of the first. Raises MayRepeat if another may follow."""
        exchange = self._exchange
        self._attempt_count += 1
        try:
            if (first := self._first) is not None:
                self._first = None
                if isinstance(first, Reply):
                    return first
                raise first
            record = exchange.record
            record.attempts_left -= 1  # where [hedge] has sent copies, they count too
            self._started_at = self._clock()
            record.begin_attempt(self._started_at, exchange.body)
            return await self._inner(exchange)
        except UpstreamError as error:
            if isinstance(error, NotAttempted) and self._before is not None:
                # This attempt was not made: what the one before came to says more.
                self._last_was_made = False
                record = exchange.record
                queued = record.queue_s - record.queued_before
                record.given_up = self._failed_at, self._clock(), queued
                forget_frames(error)
                if isinstance(self._before, Reply):
                    return self._before
                raise self._before from None
            if lasts(error) and not error.alternative_ready:
                raise
            if exchange.suffices is not None and exchange.suffices(error):
                raise
            failure = failure_class(error)
            # Nothing was sent, and another server is there: that costs nobody anything.
            free = failure == CONNECT_FAILURE and error.alternative_ready
            wait = 0.0 if free else self._backoff.wait(self._attempt_count)
            gave_way = isinstance(error, AttemptTimeout) or error.clock == "per_try"
            if (gave_way or failure in self._again) and self._allow_another(
                failure, wait, free=free
            ):
                forget_frames(error)
                self._before = error
                raise MayRepeat(error) from None
            raise

    async def _accepts(self, response: Any) -> bool:
        """Whether this reply is the answer. One that is not is closed before the wait."""
        reply = cast(AttemptResponse, response).reply
        if reply is self._before:
            return True
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
        self._before = _said(reply)
        reply.drop()
        return False

    def log_last(self, outcome: str) -> None:
        """Log the last attempt too, if it was not the only one."""
        record = self._exchange.record
        if record.attempt_log and self._last_was_made:
            record.log_attempt(record.endpoint, outcome, record.attempt_began_at, self._clock())

    def get_timeout(self, attempt: int, response: Any = None) -> float:
        """Seconds until the next attempt, as decided when the last one was judged."""
        return self._wait

    def _allow_another(self, failure: str, wait: float, *, free: bool = False) -> bool:
        """Whether another attempt may be made ``wait`` seconds after a failure of this class.

        If so, the failed one is logged and, unless it is ``free``, the budget is charged.
        """
        options, exchange = self._options, self._exchange
        unsent, stale = failure == CONNECT_FAILURE, failure == STALE_CONNECTION
        if unsent and options.wait_for_connect and not free:
            return False  # there is no other server: what is above waits until there is one
        now = self._clock()
        began = self._started_at  # that in the record may be of a copy
        if not another_allowed(
            exchange, options, now, nothing_sent=unsent, stale=stale, began=began, wait=wait
        ) or not (free or self._budget.spend(now)):
            return False
        record = exchange.record
        record.log_attempt(record.endpoint, failure, record.attempt_began_at, now)
        self._wait, self._failed_at = wait, now
        return True


def _said(reply: Reply) -> Reply | None:
    """What is kept of a reply that is dropped: all of it, or nothing where its body is long or has
    not come whole. Without that it would look whole to a client, and it would not be."""
    whole = reply.buffered
    if whole is None or len(whole) > _KEPT:
        return None
    reply.keep_trailers()
    return reply.with_body(NoMoreBytes(), reply.length, whole)
