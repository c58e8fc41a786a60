"""The clocks above an attempt: ``total`` and ``per_try``.

``connect``, ``first_byte`` and ``idle`` are the upstream's own, in ``upstream/forward.py``.
"""

import asyncio

from proxy.core.errors import ResponseTimeout, Stage
from proxy.core.exchange import Exchange
from proxy.core.handler import Handler
from proxy.core.reply import Reply


class Total:
    """Bounds the whole exchange; what is left of it after the head is the relay's to watch."""

    __slots__ = ("_inner", "_loop", "_seconds")

    def __init__(self, inner: Handler, seconds: float) -> None:
        self._inner = inner
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises ResponseTimeout when the time is up."""
        exchange.deadline = self._loop.time() + self._seconds
        try:
            async with asyncio.timeout_at(exchange.deadline):
                return await self._inner(exchange)
        except TimeoutError:
            raise ResponseTimeout(f"total of {self._seconds:g} s") from None


class PerTry:
    """Bounds one attempt up to its head; another one may follow."""

    __slots__ = ("_inner", "_seconds")

    def __init__(self, inner: Handler, seconds: float) -> None:
        self._inner = inner
        self._seconds = seconds

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises ResponseTimeout when the attempt took too long."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._inner(exchange)
        except TimeoutError:
            stage = Stage.NOT_SENT if exchange.connected is None else Stage.SENT
            raise ResponseTimeout(f"per_try of {self._seconds:g} s", stage=stage) from None
