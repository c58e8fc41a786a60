"""Exchanges that have ended, as those who only look at them see them."""

from typing import Any

from proxy.core.body import BytesBody
from proxy.core.exchange import Exchange
from proxy.core.record import Attempt

SERVER = "http://10.0.0.2:9000"


class Slow(BytesBody):
    """A body that its client took its time for, and still takes while it ``goes_on``.

    ``held``: seconds of them for which it was not asked for it, -1 for all.
    """

    def __init__(self, seconds: float, *, goes_on: bool = False, held: float = 0.0) -> None:
        super().__init__(b"x")
        self.seconds, self.goes_on, self.held = seconds, goes_on, held

    def waited(self, now: float) -> float:
        """The client was waited for."""
        return self.seconds + (now - 100.0 if self.goes_on else 0.0)

    def held_back(self, now: float) -> float:
        """It was not asked."""
        return self.waited(now) if self.held < 0 else self.held


def ended(
    seconds: float = 1.0,
    *,
    route: str = "/v1",
    status: int = 200,
    error: str = "",
    head: float = 0.0,
    queue: float = 0.0,
    connect: float | None = 0.0,
    head_at: float | None = None,
    asked: int = 1,
    tries: tuple[Attempt, ...] = (),
    began: float = 0.0,
    last: float = 0.0,
    **fields: Any,
) -> Exchange:
    """One that began at ``began`` and ends ``seconds`` later; its head came ``head_at`` seconds
    after its beginning, by default with its end; None with ``connect=None``: it had no head.

    ``head``: seconds that its client took to send its own head; ``last``: when its last attempt
    began, where others have failed before it.
    """
    exchange = Exchange(
        "GET",
        b"/v1/items",
        (),
        b"/v1/items",
        client="10.0.0.7",
        host="a",
        request_id="r1",
        started_at=began,
    )
    exchange.route, exchange.status, exchange.error = route, status, error
    record = exchange.record
    record.head_s = head
    record.attempt_count, record.queue_s, record.connect_s = asked, queue, connect
    record.attempt_log, record.attempt_began_at = tries, last
    if asked:
        record.upstream, record.endpoint = "api", SERVER
        if connect is not None and (not error or head_at is not None):
            record.first_byte_at = began + (seconds if head_at is None else head_at)
            record.reply_status = status
    for name, value in fields.items():
        setattr(exchange, name, value)
    return exchange
