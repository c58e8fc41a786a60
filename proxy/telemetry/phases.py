"""Where the time of an exchange went.

The phases follow one another and do not overlap, so their sum is the whole, but for what the proxy
itself took:

    queue      waiting to be let through, for a permit, a token or another request's answer
    retry      attempts that failed before the last one, and the waits between them
    connect    getting a connection for the last attempt, 0 from the pool
    first_byte from there to the head of the reply: what the upstream thinks, the upload included
    body       from the head to the end of the reply, waiting for the client included
"""

from typing import Final, NamedTuple

from proxy.core.exchange import Exchange

PHASES: Final = ("queue", "retry", "connect", "first_byte", "body", "total")
_SWITCHED: Final = 101


class Phases(NamedTuple):
    """Seconds; None for a phase that an exchange did not come to."""

    queue: float
    retry: float | None
    """None where no attempt was made again."""
    connect: float | None
    first_byte: float | None
    body: float | None
    """None of a tunnel: how long it stands says nothing of the upstream."""
    total: float | None
    """Likewise."""


def phases(exchange: Exchange, now: float) -> Phases:
    """Of an exchange that ended ``now``, a time of the clock that its times are of."""
    record, started = exchange.record, exchange.started_at
    queue, connect, head = record.queue_s, record.connect_s, record.first_byte_at
    whole = exchange.status != _SWITCHED
    first_byte = body = None
    if head is not None:
        # Another request's answer may have been there before this one had its turn.
        first_byte = max(0.0, head - started - queue - (connect or 0.0))
        if whole:
            body = now - head
    retry = _retry(exchange, now) if record.attempt_log else None
    if retry and first_byte is not None:
        first_byte = max(0.0, first_byte - retry)
    total = now - started if whole else None
    return Phases(queue, retry, connect, first_byte, body, total)


def _retry(exchange: Exchange, now: float) -> float | None:
    """What passed before the last attempt; its own wait for a permit counts as queue."""
    record = exchange.record
    until = now if record.first_byte_at is None else record.first_byte_at
    last = record.attempt_log[-1].seconds
    return max(0.0, until - exchange.started_at - record.queue_s - last)
