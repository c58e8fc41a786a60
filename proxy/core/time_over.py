"""What a request is answered with whose whole time is over before the head of a reply was sent."""

from collections.abc import Callable
from typing import TypeAlias

from proxy.core.errors import ProxyError, ResponseTimeout, UpstreamError
from proxy.core.exchange import Exchange
from proxy.core.outcome import last_outcome
from proxy.core.reply import Reply
from proxy.core.timeouts import time_over
from proxy.core.words import in_seconds

FixedInstead: TypeAlias = Callable[[Exchange, ProxyError], Reply]
"""Gives the fixed reply in the place of a failure."""


async def answer_at_hand(exchange: Exchange, fixed: FixedInstead | None) -> Reply:
    """A stale or a fixed reply in the place of the error; raises it where there is neither.

    ``total`` and the client's deadline end what is below them by cancelling it, so the links that
    have such a reply see no error that it could stand in for. The cache leaves word in the record
    of what it has for a request; the ``fixed`` reply of the route is there for all of them, however
    far they have come.
    """
    record = exchange.record
    error: UpstreamError
    if record.has_head:  # it was held until it is whole
        error = time_over(record.bound)
    else:
        option, words, seconds = record.bound
        error = ResponseTimeout(f"no reply within {words} of {in_seconds(seconds)}", clock=option)
    if record.at_hand is None and fixed is None:
        raise error from None
    record.outcome = last_outcome(error) or record.outcome
    reply = None if record.at_hand is None else await record.at_hand(exchange, error)
    if reply is None:
        if fixed is None:
            raise error from None
        reply = fixed(exchange, error)
    exchange.deadline = None  # it needs nothing of the time that is over, but to be sent
    return reply
