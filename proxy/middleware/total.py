"""``[timeouts] total``: a bound on the whole exchange."""

from asyncio import CancelledError, current_task

from proxy.core.errors import ResponseTimeout
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.net.shared_timeout import Bound


class Total:
    """Bounds the whole exchange; what is left of it after the head is the relay's to watch."""

    __slots__ = ("_bound", "_inner")

    def __init__(self, inner: Handler, seconds: float) -> None:
        self._inner = inner
        self._bound = Bound(seconds)

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises ResponseTimeout when the time is up."""
        bound = self._bound
        task = current_task()
        assert task is not None
        exchange.deadline = bound.begin(task)
        try:
            reply = await self._inner(exchange)
        except CancelledError:
            if bound.end(task):
                raise ResponseTimeout(f"no reply within total of {bound.seconds:g} s") from None
            raise
        except BaseException:
            bound.end(task)
            raise
        bound.end(task)
        return reply
