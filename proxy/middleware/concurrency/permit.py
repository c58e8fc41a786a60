"""A permit in the hands of one request."""

import asyncio
import logging
from typing import Any, Final, TypeAlias

from proxy.core.body import EMPTY
from proxy.core.clock import Clock
from proxy.core.exchange import Exchange
from proxy.core.reply import Ending, Reply
from proxy.policy.permit_loans import GRACE, LEFT, SHARE, SILENT, Loans

Task: TypeAlias = asyncio.Task[Any]

_log = logging.getLogger(__name__)
_CUT: Final = "a client that has not moved for long was cut, as others wait for its permit"


class Permit:
    """Goes back with the end of a reply."""

    __slots__ = ("_before", "_clock", "_exchange", "_loans", "_task", "began", "key", "tunnel")

    def __init__(
        self, loans: Loans, exchange: Exchange, key: bytes | None, clock: Clock, task: Task | None
    ) -> None:
        """``task``: that of its request, which ``cut`` ends."""
        self._loans, self._clock = loans, clock
        self._exchange = exchange
        self.began = began = clock()
        self._before = exchange.body.waited(began) if exchange.body is not EMPTY else 0.0
        self._task = task
        self.key = key
        self.tunnel = False

    def __call__(self, reply: Reply, ending: Ending) -> None:
        """The reply has ended."""
        self._loans.end(self, self._clock())

    def served(self, now: float) -> float:
        """Seconds for which its client was not waited for."""
        body = self._exchange.body
        client = body.waited(now) - self._before if body is not EMPTY else 0.0
        return now - self.began - client

    def stalls(self, now: float) -> bool:
        """Whether nothing but the client has been waited for lately."""
        stalls = self._exchange.stalled
        stalled = 0.0 if stalls is None else stalls(now)
        if self.tunnel:
            return stalled >= GRACE
        taken = now - self.began
        return taken - self.served(now) + stalled >= max(GRACE, SHARE * taken)

    def abandoned(self, now: float, since: float) -> bool:
        """Whether it has been on loan ``since`` then for nothing."""
        if self.tunnel and (stalled := self._exchange.stalled) is not None:
            return stalled(now) >= SILENT
        return now - since >= LEFT and self.stalls(now)

    def cut(self) -> None:
        """End it: its client has done nothing for long, and others wait."""
        exchange = self._exchange
        exchange.cut = True
        if exchange.committed:
            exchange.error = "connection_write_timeout"
            exchange.record.failure = "", _CUT
        _log.info(_CUT, extra={"request_id": exchange.request_id})
        # A stream that was opened before its reply came is relayed in a task of its own.
        task = exchange.relaying or self._task
        if task is not None:
            task.cancel()
