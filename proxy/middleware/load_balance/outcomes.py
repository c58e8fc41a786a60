"""What the outcome of an attempt says about its server.

A failure counts against the server's breaker (``failed``), and so does a status of 500 or above,
without ``[circuit_breaker]`` 502 to 504 (``refused``). A success is told to a breaker that counts a
ratio, is open or has failures (``succeeded``). An attempt that was not made, or that the client
left, tells nothing.
"""

from collections.abc import Callable
from typing import Final

from proxy.core.clock import Clock
from proxy.core.outcome import Verdict, at_fault, takes_over, verdict
from proxy.core.reply import Ending, Reply
from proxy.http.retry_after import retry_after
from proxy.middleware.load_balance.targets import Targets
from proxy.policy.breaker import Breaker, Pass
from proxy.policy.endpoint import Endpoint

_SLOW: Final = 1.0
"""Seconds that a fast failure counts as: it must not attract traffic."""
_LONGEST_PAUSE: Final = 60.0


class Outcomes:
    """Tells servers and their breakers."""

    __slots__ = ("_clock", "_fails", "_timed")

    def __init__(self, clock: Clock, *, timed: bool, passive: bool) -> None:
        """``timed``: whether servers are chosen by latency; ``passive``: see ``TargetSet``."""
        self._clock = clock
        # A 500 may be the answer to what was asked: only who asked for a breaker has it count.
        self._fails = takes_over if passive else at_fault
        self._timed = timed

    def succeeded(
        self, endpoint: Endpoint, breaker: Breaker | None, permission: Pass | None, began: float
    ) -> None:
        """A reply says that the server is well."""
        now = self._clock()
        if began and self._timed:
            endpoint.latency.observe(now - began, now)
        if breaker is None or permission is None:
            return
        if breaker.open or breaker.failures or breaker.counts:  # else there is nothing to tell
            back = breaker.open
            permission.succeeded(now)
            if back and not breaker.open:
                endpoint.recovered()

    def failed(self, endpoint: Endpoint, permission: Pass | None, began: float) -> None:
        """An attempt failed: however fast that was, it must not attract traffic."""
        now = self._clock()
        endpoint.latency.penalise(now, max(_SLOW, now - began) if began else _SLOW)
        endpoint.usual.failed()
        if permission is not None:
            permission.failed(now)

    def refused(
        self, targets: Targets, endpoint: Endpoint, permission: Pass | None, reply: Reply
    ) -> bool:
        """A reply says that the server is not well. Whether another could be asked at once.

        A fast refusal is no fast server; one that names a time is left alone until then.
        """
        now = self._clock()
        if permission is not None:
            if self._fails(reply.status):
                permission.failed(now)
            else:
                permission.succeeded(now)
        if takes_over(reply.status):
            endpoint.usual.failed()
        if verdict(reply) is Verdict.OVERLOADED:
            endpoint.latency.penalise(now, _SLOW)
            wait = retry_after(reply.headers)
            if wait is not None:
                endpoint.pause(now + min(wait, _LONGEST_PAUSE))
                if at_fault(reply.status):
                    endpoint.refused_until = endpoint.paused_until
        return any(other is not endpoint for other in targets.usable(now))


class ReplyEnded:
    """Waits for the end of a reply's body, and what that says about its server."""

    __slots__ = ("_breaker", "_clock", "_endpoint", "_invalidate", "_prior_failures")

    def __init__(
        self,
        endpoint: Endpoint,
        breaker: Breaker | None,
        prior_failures: int,
        invalidate: Callable[[], None],
        clock: Clock,
    ) -> None:
        """``prior_failures``: failures before its head, which looked like the end of them.

        ``invalidate`` is called where the body broke: servers are to be looked at again.
        """
        self._endpoint = endpoint
        self._breaker = breaker
        self._prior_failures = prior_failures
        self._invalidate = invalidate
        self._clock = clock

    def __call__(self, reply: Reply, ending: Ending) -> None:
        """The body has ended so."""
        self._endpoint.in_flight -= 1
        if ending is Ending.BROKEN:
            self._invalidate()
            self._endpoint.outcomes["broken"] += 1
            if self._breaker is not None:
                self._breaker.failures = max(self._breaker.failures, self._prior_failures)
                self._breaker.note_failure(self._clock())
