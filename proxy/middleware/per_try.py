"""``[timeouts] per_try``: a bound on one attempt up to its head.

``connect``, ``first_byte`` and ``idle`` are the upstream's own, in ``upstream/forward.py``.
"""

from asyncio import CancelledError, current_task

from proxy.core.errors import ResponseTimeout, Stage
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.net.shared_timeout import Bound


class PerTry:
    """Bounds one attempt up to its head; another one may follow."""

    __slots__ = ("_bound", "_inner")

    def __init__(self, inner: Handler, seconds: float) -> None:
        self._inner = inner
        self._bound = Bound(seconds)

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises ResponseTimeout when the attempt took too long."""
        bound = self._bound
        task = current_task()
        assert task is not None
        bound.begin(task)
        try:
            reply = await self._inner(exchange)
        except CancelledError:
            if bound.end(task):
                stage = Stage.NOT_SENT if exchange.connected is None else Stage.SENT
                raise ResponseTimeout(
                    f"no reply within per_try of {bound.seconds:g} s", stage=stage
                ) from None
            raise
        except BaseException:
            bound.end(task)
            raise
        bound.end(task)
        return reply
