"""The time that a client gives a request, on its way through all that waits."""

import asyncio
from collections.abc import Awaitable
from typing import Final

from proxy.core.clock import Clock
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.core.scope import Scope
from proxy.core.time_over import FixedInstead, answer_at_hand
from proxy.core.timeouts import TimeoutsOptions
from proxy.http.fields import LOWER, placed
from proxy.middleware.deadline.fields import notation
from proxy.middleware.deadline.options import DeadlineOptions

_NEVER: Final = float("inf")


def link(scope: Scope, inner: Handler) -> Handler | None:
    """Where there is ``[deadline]``."""
    options = scope.find(DeadlineOptions)
    timeouts = scope.find(TimeoutsOptions)
    if options is None:
        return None
    total = timeouts.total if timeouts else 0.0
    return Deadline(inner, options, total, scope.fixed, clock=scope.shared.clock).handle


class Deadline:
    """Bounds the whole exchange by what the client says, and by ``total``."""

    __slots__ = ("_accept", "_clock", "_fixed", "_inner", "_max", "_names", "_total")

    def __init__(
        self,
        inner: Handler,
        options: DeadlineOptions,
        total: float = 0.0,
        fixed: FixedInstead | None = None,
        *,
        clock: Clock,
    ) -> None:
        """``total`` in seconds, 0 for none: of clients that say nothing ``inner`` sees to it.

        ``fixed``: see ``Scope``.
        """
        self._inner = inner
        self._fixed = fixed
        self._accept = {name.lower().encode(): notation(name)[0] for name in options.accept}
        self._names = frozenset(self._accept)
        self._max = options.max or _NEVER
        self._total = total or _NEVER
        self._clock = clock

    def handle(self, exchange: Exchange) -> Awaitable[Reply]:
        """Raises ResponseTimeout when the time is up, where no other answer is at hand."""
        asked = self._asked(exchange)
        return self._inner(exchange) if asked is None else self._bounded(exchange, asked)

    async def _bounded(self, exchange: Exchange, asked: float) -> Reply:
        left = min(asked, self._max, self._total)
        until = exchange.deadline = self._clock() + left
        name, words = "total" if left >= self._total else "deadline", self._bound(asked)
        exchange.record.bound = (name, words, left)
        try:
            async with asyncio.timeout_at(until) as clock:
                return await self._inner(exchange)
        except TimeoutError:
            if not clock.expired():
                raise
        return await answer_at_hand(exchange, self._fixed)

    def _bound(self, asked: float) -> str:
        """What gives an exchange the time that it has."""
        if asked < min(self._max, self._total):
            return "the client's deadline"
        return "total" if self._total <= self._max else "[deadline] max"

    def _asked(self, exchange: Exchange) -> float | None:
        """Seconds, by the shortest of the fields that can be read."""
        shortest, fields = None, exchange.headers
        for number in placed(fields, exchange.encoded, self._names):
            name, value = fields[number]
            if (asked := self._accept[LOWER[name]](value)) is not None:
                shortest = asked if shortest is None else min(shortest, asked)
        return shortest
