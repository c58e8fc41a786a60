"""Tells the upstream the span of each attempt: the context of W3C Trace Context goes on.

Only of traces that are sampled. Any other traceparent passes as it is, and costs one look.
"""

import random
from collections.abc import Awaitable, Callable
from typing import Final

from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.core.scope import EndpointScope
from proxy.http.request_id import is_parent

_PARENT: Final = slice(36, 52)
"""Where the id of the parent stands in a traceparent (W3C Trace Context 3.2.2)."""
_FLAG: Final = 54
"""Where the digit stands that says whether the trace is sampled (3.2.2.5.1)."""
_ODD: Final = frozenset(b"%c" % digit for digit in b"13579bdf")
_NAME: Final = b"traceparent"
_KNOWN: Final = {b"%02x" % flags: b"%02x" % (flags & 3) for flags in range(256)}
"""Flags, and what is passed on of them: "sampled" and "random"; all others are zero (3.2.2.5)."""


def _told(came: bytes, span: bytes) -> bytes:
    """The traceparent with this parent: what is written anew is of the version that is known here,
    and without what only a later one has (W3C Trace Context 3.2.4)."""
    return b"00%b%b-%b" % (
        came[2 : _PARENT.start],
        span,
        _KNOWN[came[_PARENT.stop + 1 : _FLAG + 1]],
    )


def link(scope: EndpointScope, inner: Handler) -> Handler | None:
    """Where there is ``[tracing]``."""
    return Tracing(inner, scope.shared.rng).handle if scope.shared.traced else None


class Tracing:
    """Gives an attempt an id and says it in its traceparent."""

    __slots__ = ("_bits", "_inner")

    def __init__(self, inner: Handler, rng: random.Random) -> None:
        self._inner = inner
        self._bits: Callable[[int], int] = rng.getrandbits

    def handle(self, exchange: Exchange) -> Awaitable[Reply]:
        """Every request has a traceparent by now, its own or one of ours, but for those of a route
        whose rules take it away or put something else there.

        What the next link is going to answer is handed on as it is: to wait for it here would cost
        each request more than the look does.
        """
        record = exchange.record
        record.span_id = ""
        # Without a call: most traces are not sampled. One that was made here stands last.
        name, value = exchange.headers[-1] if exchange.headers else (b"", b"")
        if name != _NAME:
            for name, value in exchange.headers:  # noqa: B007 - it is used behind the loop
                if name == _NAME:
                    break
                if name[:1] in b"tT" and name.lower() == _NAME:  # house: one pass
                    break
            else:
                return self._inner(exchange)
        # What is shorter than a traceparent is none; most others were checked when they came.
        if value[_FLAG : _FLAG + 1] in _ODD and is_parent(value):
            span = b"%016x" % (self._bits(64) or 1)
            record.span_id = span.decode()
            record.traced = record.traced or value
            told = _told(value, span)
            exchange.headers = [
                (name, told) if field[1] is value else field for field in exchange.headers
            ]
        return self._inner(exchange)
