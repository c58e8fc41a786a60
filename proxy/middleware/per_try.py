"""``[timeouts] per_try``: a bound on one attempt up to its head.

``connect``, ``first_byte`` and ``idle`` are the upstream's own, in ``upstream/forward.py``.
"""

from asyncio import CancelledError, current_task

from proxy.core.errors import ResponseTimeout, Stage
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.net.timers import SharedTimeout


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
                    f"no reply within per_try of {timeout.seconds:g} s", stage=stage
                ) from None
            raise
        except BaseException:
            timeout.end(task)
            raise
        timeout.end(task)
        return reply
