"""``[rate_limit] max_wait``: requests wait until a server takes them again.

They wait above the permits and above the choice of a server, with nothing in their hands: a permit
stands for work of the API, and another server may be the right one after the wait. What each server
takes, ``upstream_quota`` knows, and for several keys ``credentials``. A request asks them, is told
how long the first of them wants to be left alone, waits for so long and asks again: what came
meanwhile counts too.
"""

import asyncio

from proxy.core.clock import Clock
from proxy.core.errors import UpstreamQuotaExceeded, forget_frames
from proxy.core.exchange import Exchange, Handler
from proxy.core.rate_limit_options import RateLimitOptions
from proxy.core.record import QUOTA
from proxy.core.reply import Reply
from proxy.core.scope import UpstreamScope
from proxy.policy.quota import at_once


def link(scope: UpstreamScope, inner: Handler) -> Handler | None:
    """Where there is ``[rate_limit] max_wait``, unless ``learn`` is off."""
    options = scope.find(RateLimitOptions)
    if options is None or not options.learn or not options.max_wait:
        return None
    return QuotaWait(inner, options.max_wait, scope.upstream, clock=scope.shared.clock).handle


class QuotaWait:
    """Has a request wait that no server takes now."""

    __slots__ = ("_clock", "_inner", "_max_wait", "_upstream")

    def __init__(
        self, inner: Handler, max_wait: float, upstream: str = "", *, clock: Clock
    ) -> None:
        """``upstream``: its name, for whoever asks what is waited for."""
        self._inner = inner
        self._max_wait = max_wait
        self._upstream = upstream
        self._clock = clock

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises UpstreamQuotaExceeded where it would have to wait too long."""
        try:
            return await self._inner(exchange)
        except UpstreamQuotaExceeded as error:
            forget_frames(error)
            refused = error
        return await self._wait(exchange, refused)

    async def _wait(self, exchange: Exchange, refused: UpstreamQuotaExceeded) -> Reply:
        asked, record = self._clock(), exchange.record
        last = False
        while not last:
            now, quota = self._clock(), refused.quota
            wait = quota.turn_in(now) if quota is not None else refused.retry_after or 0.0
            last = now + wait > self._until(exchange, asked)
            if last and not refused.sendable:
                break
            turn = None
            if last:
                turn = at_once()
            elif quota is not None:
                turn = quota.take_turn(now)
            try:
                if not last:
                    with record.waiting(QUOTA, self._clock, self._upstream, refused.server):
                        await asyncio.sleep(wait)
                record.turn = turn
                return await self._inner(exchange)
            except UpstreamQuotaExceeded as error:
                forget_frames(error)
                refused = error
            finally:
                record.turn = None
                if turn is not None:
                    turn.end()
        raise refused

    def _until(self, exchange: Exchange, asked: float) -> float:
        """How long it may wait; of a shared call it becomes later with each client that joins."""
        until = asked + self._max_wait
        return until if exchange.deadline is None else min(until, exchange.deadline)
