"""Tells the upstream the span of each attempt: the context of W3C Trace Context goes on.

Only of traces that are sampled. Any other traceparent passes as it is, and costs one look.
"""

import random
from collections.abc import Callable
from typing import Final

from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.core.scope import EndpointScope

_PARENT: Final = slice(36, 52)
"""Where the id of the parent stands in a traceparent (W3C Trace Context 3.2.2)."""
_FLAGS: Final = slice(53, 55)


def link(scope: EndpointScope, inner: Handler) -> Handler | None:
    """Where there is ``[tracing]``."""
    return Tracing(inner, scope.shared.rng).handle if scope.shared.traced else None


class Tracing:
    """Gives an attempt an id and says it in its traceparent."""

    __slots__ = ("_bits", "_inner")

    def __init__(self, inner: Handler, rng: random.Random) -> None:
        self._inner = inner
        self._bits: Callable[[int], int] = rng.getrandbits

    async def handle(self, exchange: Exchange) -> Reply:
        """Every request has a traceparent by now, its own or one of ours."""
        fields, record = exchange.headers, exchange.record
        record.span_id = ""
        for index, (name, value) in enumerate(fields):
            if len(name) == 11 and name.lower() == b"traceparent":  # house: one pass
                if is_sampled(value):
                    span = b"%016x" % (self._bits(64) or 1)
                    record.span_id = span.decode()
                    record.traced = record.traced or value
                    told = value[: _PARENT.start] + span + value[_PARENT.stop :]
                    exchange.headers = [*fields[:index], (name, told), *fields[index + 1 :]]
                break
        return await self._inner(exchange)


def is_sampled(traceparent: bytes) -> bool:
    """Whether its maker keeps the trace (W3C Trace Context 3.2.2.5.1)."""
    return bool(int(traceparent[_FLAGS], 16) & 1)
