"""What the end of a reply's body says about its server."""

from typing import Protocol

from proxy.core.clock import Clock
from proxy.core.reply import Ending, Reply
from proxy.policy.breaker import Breaker
from proxy.policy.endpoint import Endpoint


class Balancing(Protocol):
    """Who has chosen the server."""

    clock: Clock

    def invalidate(self) -> None:
        """Look again before the next attempt."""


class ReplyEnded:
    """Waits for the end of a reply's body."""

    __slots__ = ("_balance", "_breaker", "_endpoint", "_prior_failures")

    def __init__(
        self, balance: Balancing, endpoint: Endpoint, breaker: Breaker | None, prior_failures: int
    ) -> None:
        """``prior_failures``: failures before its head, which looked like the end of them."""
        self._balance = balance
        self._endpoint = endpoint
        self._breaker = breaker
        self._prior_failures = prior_failures

    def __call__(self, reply: Reply, ending: Ending) -> None:
        """The body has ended so."""
        self._endpoint.in_flight -= 1
        if ending is Ending.BROKEN:
            self._balance.invalidate()
            self._endpoint.outcomes["broken"] += 1
            if self._breaker is not None:
                self._breaker.failures = max(self._breaker.failures, self._prior_failures)
                self._breaker.note_failure(self._balance.clock())
