"""A request and copies of it: whoever is answered well first wins."""

import asyncio
from typing import Any, Protocol

from proxy.core.errors import UpstreamError, forget_frames
from proxy.core.exchange import Exchange, Handler
from proxy.core.outcome import Verdict, verdict
from proxy.core.record import HEDGED, Attempt
from proxy.core.reply import Ending, Reply


class CopySource(Protocol):
    """Where copies come from."""

    loop: asyncio.AbstractEventLoop
    alone: bool
    won: int

    def copied(self, exchange: Exchange, asked: int) -> Exchange | None:
        """Another one like it, where there may be one after ``asked`` others."""

    def send(self, twin: Exchange) -> "asyncio.Task[Reply]":
        """Begin with a copy."""


def acceptable(reply: Reply) -> bool:
    """Whether it is an answer, not a refusal."""
    return verdict(reply) is Verdict.ANSWERED


class HedgedCall:
    """A request and its copies."""

    __slots__ = (
        "_began",
        "_copies",
        "_delay",
        "_exchange",
        "_hedge",
        "_news",
        "_over",
        "_slow",
        "_task",
        "_timer",
        "_winner",
    )

    def __init__(self, hedge: CopySource, exchange: Exchange, delay: float, began: float) -> None:
        self._hedge = hedge
        self._exchange = exchange
        self._delay = delay
        self._began = began
        self._copies: dict[asyncio.Task[Reply], tuple[Exchange, float]] = {}
        self._slow: list[tuple[Exchange, float]] = []
        self._winner: tuple[Exchange, Reply] | None = None
        self._news: asyncio.Future[None] | None = None
        self._over = False
        task = asyncio.current_task()
        assert task is not None
        self._task: asyncio.Task[Any] = task
        self._timer: asyncio.TimerHandle | None = hedge.loop.call_later(delay, self._late)

    async def run(self, inner: Handler) -> Reply:
        """Until somebody has won."""
        try:
            own: Reply | UpstreamError = await inner(self._exchange)
        except UpstreamError as error:
            forget_frames(error)
            own = error
        except asyncio.CancelledError:
            if self._winner is None or self._task.uncancel():
                self._end()
                raise
            return self._won()
        except BaseException:
            self._end()
            raise
        if isinstance(own, UpstreamError) or not acceptable(own):
            self._stop_timer()
            try:
                await self._others()
            except BaseException:
                if isinstance(own, Reply):
                    own.close(Ending.ABANDONED)
                self._end()
                raise
            if self._winner is not None:
                if isinstance(own, Reply):
                    own.close(Ending.ABANDONED if own.buffered is None else Ending.COMPLETE)
                return self._won()
        self._end()
        self._list(None, own)
        if isinstance(own, UpstreamError):
            raise own
        return own

    def _late(self) -> None:
        """The request takes unusually long."""
        self._timer = None
        hedge, exchange = self._hedge, self._exchange
        twin = hedge.copied(exchange, len(self._slow))
        if twin is None:
            return
        now = hedge.loop.time()
        # So that a server is asked that has not been asked.
        twin.record.attempt_log += tuple(
            Attempt(one.record.endpoint, HEDGED, now - asked)
            for one, asked in [(exchange, self._began), *self._slow]
        )
        task = hedge.send(twin)
        self._copies[task] = (twin, now)
        self._slow.append((twin, now))
        task.add_done_callback(self._came)
        self._timer = hedge.loop.call_later(self._delay, self._late)

    def _came(self, task: "asyncio.Task[Reply]") -> None:
        """A copy has been answered, or has failed."""
        twin, _ = self._copies.pop(task, (None, 0.0))
        if not task.cancelled() and task.exception() is None:
            reply = task.result()
            if twin is not None and not self._over and self._winner is None and acceptable(reply):
                self._winner = (twin, reply)
                if self._news is None:
                    self._task.cancel()
            else:
                reply.close(Ending.ABANDONED if reply.buffered is None else Ending.COMPLETE)
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def _others(self) -> None:
        """Wait for the copies, since the request itself has failed."""
        while self._winner is None and self._copies:
            self._news = self._hedge.loop.create_future()
            await self._news

    def _won(self) -> Reply:
        """A copy has: what it found out is what is known of the request."""
        assert self._winner is not None
        twin, reply = self._winner
        self._winner = None
        self._end()
        self._hedge.won += 1
        self._list(twin, reply)
        self._exchange.record.adopt(twin.record)
        return reply

    def _list(self, winner: Exchange | None, came: Reply | UpstreamError) -> None:
        """Of several attempts, those that lost; the one that counts where nobody else lists it."""
        if not self._slow:
            return
        now = self._hedge.loop.time()
        exchange = self._exchange
        record = exchange.record
        for one, asked in [(exchange, self._began), *self._slow]:
            if one is not (winner or exchange):
                record.attempt_log += (Attempt(one.record.endpoint, HEDGED, now - asked),)
                if one is not exchange:
                    record.attempt_count += one.record.attempt_count
        if self._hedge.alone:
            counts = winner or exchange
            outcome = str(came.status) if isinstance(came, Reply) else type(came).__name__
            record.attempt_log += (Attempt(counts.record.endpoint, outcome, now - self._began),)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        """Nobody waits for the others any more."""
        self._over = True
        self._stop_timer()
        if self._winner is not None:
            self._winner[1].close(Ending.ABANDONED)
            self._winner = None
        for task in self._copies:
            task.cancel()
