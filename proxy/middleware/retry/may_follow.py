"""Whether another attempt could take the place of one that is under way."""

from proxy.core.clock import Clock
from proxy.core.exchange import Exchange
from proxy.core.outcome import repeatable
from proxy.middleware.retry.options import RetryOptions
from proxy.policy.budget import Budget


class MayFollow:
    """Says what ``Retry`` would say if the attempt failed now, and takes nothing for it."""

    __slots__ = ("_budget", "_clock", "_options")

    def __init__(self, options: RetryOptions, budget: Budget, clock: Clock) -> None:
        self._options = options
        self._budget = budget
        self._clock = clock

    def __call__(self, exchange: Exchange) -> bool:
        """Whether the attempt may be ended for another one."""
        options, record = self._options, exchange.record
        if not record.attempts_left or not exchange.body.resendable:
            return False
        sent = record.connect_s is not None
        if sent and (exchange.login or not repeatable(exchange, options)):
            return False
        now = self._clock()
        if exchange.deadline is not None and now >= exchange.deadline:
            return False
        begun = record.attempt_began_at
        if 0 < options.only_if_failed_within < now - begun:
            return False
        return self._budget.available(now) >= 1
