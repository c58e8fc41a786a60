"""``[timeouts] total``: a bound on the whole exchange."""

from asyncio import CancelledError, current_task, get_running_loop

from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.core.scope import Scope
from proxy.core.time_over import FixedInstead, answer_at_hand
from proxy.core.timeouts import TimeoutsOptions
from proxy.net.timers import SharedTimeout


def link(scope: Scope, inner: Handler) -> Handler | None:
    """Where ``[timeouts] total`` is set."""
    timeouts = scope.find(TimeoutsOptions)
    if timeouts is None or not timeouts.total:
        return None
    return Total(inner, timeouts.total, scope.fixed).handle


class Total:
    """Bounds the whole exchange; what is left of it after the head is the relay's to watch."""

    __slots__ = ("_bound", "_fixed", "_inner", "_loop", "_timeout")

    def __init__(self, inner: Handler, seconds: float, fixed: FixedInstead | None = None) -> None:
        """``fixed``: see ``Scope``."""
        self._inner = inner
        self._fixed = fixed
        self._bound = ("total", "total", seconds)
        self._timeout = SharedTimeout(seconds)
        self._loop = get_running_loop()

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises ResponseTimeout when the time is up, where no other answer is at hand."""
        if exchange.deadline is not None:  # the client's own, in which this one is counted
            return await self._inner(exchange)
        timeout = self._timeout
        task = current_task(self._loop)
        assert task is not None
        exchange.deadline = timeout.begin(task)
        exchange.record.bound = self._bound
        try:
            reply = await self._inner(exchange)
        except CancelledError:
            if timeout.end(task):
                return await answer_at_hand(exchange, self._fixed)
            raise
        except BaseException:
            timeout.end(task)
            raise
        timeout.end(task)
        return reply
