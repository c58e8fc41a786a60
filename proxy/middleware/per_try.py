"""``[timeouts] per_try``: a bound on one attempt up to its head.

``connect``, ``first_byte`` and ``idle`` are the upstream's own, in ``upstream/forward.py``.
"""

from asyncio import CancelledError, current_task
from collections.abc import Iterator

from proxy.core.errors import ResponseTimeout, Stage
from proxy.core.exchange import Exchange, Handler
from proxy.core.findings import WARNING, Finding, Written
from proxy.core.reply import Reply
from proxy.core.scope import EndpointScope
from proxy.core.timeouts import TimeoutsOptions
from proxy.net.timers import SharedTimeout


def problems(written: Written) -> Iterator[Finding]:
    """What is wrong with `[timeouts] per_try`."""
    clocks, retry = written.options.timeouts, written.options.retry
    at = written.at("timeouts", "per_try")
    if at is None or not clocks.per_try or 0 < clocks.total < clocks.per_try:
        return  # the last is a problem of its own
    if clocks.per_try > clocks.first_byte > 0:
        longer = f"per_try ({clocks.per_try}) is longer than first_byte ({clocks.first_byte})"
        yield Finding(at, f"{WARNING} {longer}, so it never runs out")
    elif retry is None or retry.attempts == 1:
        message = "no other attempt follows: expected [retry] attempts above 1"
        yield Finding(at, f"{WARNING} {message}")
    elif "timeout" not in retry.on:
        message = 'no other attempt follows: expected "timeout" in [retry] on'
        yield Finding(at, f"{WARNING} {message}")


def link(scope: EndpointScope, inner: Handler) -> Handler | None:
    """Where ``[timeouts] per_try`` is set."""
    timeouts = scope.find(TimeoutsOptions)
    return PerTry(inner, timeouts.per_try).handle if timeouts and timeouts.per_try else None


class PerTry:
    """Bounds one attempt up to its head; another one may follow."""

    __slots__ = ("_inner", "_timeout")

    def __init__(self, inner: Handler, seconds: float) -> None:
        self._inner = inner
        self._timeout = SharedTimeout(seconds)

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises ResponseTimeout when the attempt took too long."""
        timeout = self._timeout
        task = current_task()
        assert task is not None
        timeout.begin(task)
        try:
            reply = await self._inner(exchange)
        except CancelledError:
            if timeout.end(task):
                stage = Stage.NOT_SENT if exchange.record.connect_s is None else Stage.SENT
                raise ResponseTimeout(
                    f"no reply within per_try of {timeout.seconds:g} s",
                    stage=stage,
                    clock="per_try",
                ) from None
            raise
        except BaseException:
            timeout.end(task)
            raise
        timeout.end(task)
        return reply
