"""What may be tried again, for which method: whether a request could run twice by that.

| request                                         | nothing was sent | it may have been received |
|-------------------------------------------------|------------------|---------------------------|
| of one of ``[retry] methods``, such as GET, PUT | yes              | yes                       |
| with an ``Idempotency-Key``, whatever method    | yes              | yes                       |
| any other: POST, PATCH                          | yes              | no                        |
| whose body was not kept                         | no               | no                        |

Nothing was sent where no connection was made, and where the connection had ended before the request
came to it. A part of a login that its connection will have (``http/logins``) goes again only then,
or where it is the first one and its connection, an idle one, had ended. ``[retry] on`` says which
failures and statuses are worth it, see ``options``.
"""

from collections.abc import Callable, Sequence

from proxy.core.clock import Clock
from proxy.core.exchange import Exchange
from proxy.core.outcome import RESET, TIMEOUT, repeatable
from proxy.middleware.retry.options import RetryOptions
from proxy.policy.budget import Budget


def may_repeat(
    exchange: Exchange, options: RetryOptions, *, nothing_sent: bool, stale: bool = False
) -> bool:
    """Whether it may be sent again, however an attempt has ended.

    ``stale``: with a connection that had been idle, and on which no login had begun.
    """
    if not exchange.body.resendable:
        return False
    # Another connection knows nothing of a login that has begun.
    return nothing_sent or ((stale or not exchange.login) and repeatable(exchange, options))


def repeats_broken(options: RetryOptions) -> bool:
    """Whether ``on`` names what a reply comes to that breaks off, or stalls, before it is seen."""
    return RESET in options.on or TIMEOUT in options.on


def another_allowed(
    exchange: Exchange,
    options: RetryOptions,
    now: float,
    *,
    nothing_sent: bool,
    stale: bool = False,
    began: float,
    wait: float = 0.0,
) -> bool:
    """Whether ``[retry]`` allows another attempt, ``wait`` seconds from now; but for its budget.

    ``began``: when the attempt did that has failed, or would be ended for the other one. What it
    waited for in the proxy itself, a permit for one, says nothing of how it failed.
    """
    record = exchange.record
    if not record.attempts_left:
        return False
    if not may_repeat(exchange, options, nothing_sent=nothing_sent, stale=stale):
        return False
    if exchange.deadline is not None and now + wait >= exchange.deadline:
        return False
    queued = record.queue_s - record.queued_before
    if record.wait is not None:
        queued += now - record.wait.began
    return not 0 < options.only_if_failed_within < now - began - queued


class MayFollow:
    """Whether another attempt could take the place of one that is under way.

    Says what ``Retry`` would say if the attempt failed now, and takes nothing for it.
    """

    __slots__ = ("_budget", "_clock", "_has_server_left", "_options")

    def __init__(
        self,
        options: RetryOptions,
        budget: Budget,
        clock: Clock,
        has_server_left: Sequence[Callable[[Exchange], bool]] = (),
    ) -> None:
        """``has_server_left``: all say whether a server may be asked for another attempt."""
        self._options = options
        self._budget = budget
        self._clock = clock
        self._has_server_left = has_server_left

    def __call__(self, exchange: Exchange) -> bool:
        """Whether the attempt may be ended for another one."""
        # A server is asked for last: where it has one trial, that is kept for who is told of it.
        return self.with_server(exchange) and all(
            has_left(exchange) for has_left in self._has_server_left
        )

    def with_server(self, exchange: Exchange) -> bool:
        """Whether it may be as soon as there is a server for another one."""
        record, now = exchange.record, self._clock()
        unsent, began = record.connect_s is None, record.attempt_began_at
        return (
            another_allowed(exchange, self._options, now, nothing_sent=unsent, began=began)
            and self._budget.available(now) >= 1
        )
