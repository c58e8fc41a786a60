"""``[retry] wait_for_connect``: requests sit out a time in which no server can be connected to.

How it works. A request for which there was no connection to a server has not been sent. So it may
wait and be sent later, whatever its method. All requests of an upstream wait in one queue, which
has the size and the order of ``[queue]`` (``reconnection.py``). While there is one that waits, a
new request takes its place behind it and asks nobody.

A request waits for ``wait_for_connect`` at the most, counted from its first failure to connect; a
try that has no connection by then is ended. Then its client is told of the last failure.
``[timeouts] total`` and the client's deadline end the wait as they end any other.
"""

import asyncio
from functools import partial

from proxy.core.clock import Clock
from proxy.core.errors import NoEndpointAvailable, QueueFull, UpstreamError
from proxy.core.exchange import Exchange, Handler
from proxy.core.outcome import CONNECT_FAILURE, failure_class, lasts
from proxy.core.record import QUOTA, SERVER
from proxy.core.reply import Reply
from proxy.core.scope import Servers, UpstreamScope
from proxy.http.priority import level
from proxy.middleware.concurrency.options import QueueOptions, waiter_key
from proxy.middleware.concurrency.reconnection import Reconnection, Try
from proxy.middleware.concurrency.told import Answer, Outcome, tell
from proxy.policy.queue import Queue


def link(scope: UpstreamScope, inner: Handler) -> Handler | None:
    """Where there is ``[retry] wait_for_connect``. All routes to an upstream share the queue."""
    if not scope.wait_for_connect:
        return None
    options, shared = scope.find(QueueOptions) or QueueOptions(), scope.shared
    waiting = shared.share(
        ("wait_for_connect", scope.upstream, options),
        lambda: Reconnection(scope.servers, Queue(options.size, options.order)),
    )
    shared.watch(waiting, upstream=scope.upstream)
    return WaitForConnect(
        inner,
        waiting,
        options,
        scope.wait_for_connect,
        scope.servers,
        upstream=scope.upstream,
        clock=shared.clock,
    ).handle


class WaitForConnect:
    """Has a request wait while no server can be connected to."""

    __slots__ = (
        "_clock",
        "_inner",
        "_key",
        "_patience",
        "_priority",
        "_servers",
        "_upstream",
        "_waiting",
    )

    def __init__(
        self,
        inner: Handler,
        waiting: Reconnection,
        queue: QueueOptions,
        patience: float,
        servers: Servers,
        *,
        upstream: str = "",
        clock: Clock,
    ) -> None:
        """``patience`` in seconds; ``waiting``: shared by all that send to the same servers."""
        self._inner = inner
        self._waiting = waiting
        self._patience = patience
        self._servers = servers
        self._upstream = upstream
        self._priority = queue.priority_header.lower().encode()
        self._key = waiter_key(queue)
        self._clock = clock

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises QueueFull where there is no place to wait, and the last failure after the wait."""
        if not self._waiting.waiting:
            try:
                return await self._inner(exchange)
            except UpstreamError as error:
                if not self._unreachable(error, exchange, waited=False):
                    raise
                self._waiting.fails_with(error)
        elif exchange.suffices is not None:
            failure = self._waiting.last_failure(0)
            if exchange.suffices(failure):
                raise failure
        return await self._wait(exchange)

    def _unreachable(self, error: UpstreamError, exchange: Exchange, *, waited: bool) -> bool:
        """Whether there is no server to connect to, and the request can be sent later.

        A server that is back may still be ejected, on trial or unhealthy: who has waited for the
        server waits for that too.
        """
        if not exchange.body.resendable or lasts(error):
            return False
        if exchange.suffices is not None and exchange.suffices(error):
            return False
        if isinstance(error, NoEndpointAvailable):
            why = self._servers.unreachable
            return waited or not (why is None or lasts(why))
        return failure_class(error) == CONNECT_FAILURE

    async def _wait(self, exchange: Exchange) -> Reply:
        waiting, record = self._waiting, exchange.record
        key, attempts = self._key(exchange), record.attempt_log
        until = self._clock() + self._patience
        again = False
        while True:
            await self._turn(exchange, key, until, again=again)
            again = True
            record.attempt_log = attempts  # the log shows the attempts since the last wait
            record.unlogged = record.attempt_count - record.logged
            record.connect_s = None
            task = asyncio.current_task()
            try:
                reply = await self._try(exchange, until)
            except UpstreamError as error:
                if not self._unreachable(error, exchange, waited=True):
                    waiting.woken += 1
                    raise
                waiting.fails_with(error)
            else:
                if reply is None:
                    break
                waiting.woken += 1
                waiting.connected()
                return reply
            finally:
                waiting.tried(task)
        waiting.timed_out += 1
        raise waiting.last_failure(self._patience)

    async def _try(self, exchange: Exchange, until: float) -> Reply | None:
        """Send it. None at ``until``, where there is no connection by then."""
        waiting, loop = self._waiting, asyncio.get_running_loop()

        def rang() -> None:  # one that waits for a permit by now, or for a quota, goes on
            record = exchange.record
            if record.wait is not None and record.wait.what == QUOTA:
                return
            if record.connect_s is None and waiting.lacking:
                clock.reschedule(0.0)  # at once

        try:
            async with asyncio.timeout(None) as clock:
                timer = loop.call_later(until - self._clock(), rang)
                try:
                    return await self._inner(exchange)
                finally:
                    timer.cancel()
        except TimeoutError:
            if not clock.expired():
                raise
            return None

    async def _turn(
        self, exchange: Exchange, key: bytes | None, until: float, *, again: bool
    ) -> None:
        """Wait until it is to be sent. Raises QueueFull, or the last failure at ``until``."""
        waiting, asked = self._waiting, self._clock()
        turn = _ConnectTurn(waiting, key, level(exchange.headers, self._priority), asked)
        if not waiting.enqueue(turn.waiter, again=again):
            raise QueueFull("no server can be connected to, and the queue is full")
        with exchange.record.waiting(SERVER, self._clock, self._upstream):
            came = await turn.comes(until - asked)
        if came is Outcome.REFUSED:
            raise QueueFull("no server can be connected to, and others had more right to wait")
        if came is Outcome.TIMEOUT:
            waiting.timed_out += 1
            raise waiting.last_failure(self._patience)


class _ConnectTurn:
    """One that waits."""

    __slots__ = ("_future", "_loop", "_waiting", "waiter")

    def __init__(
        self, waiting: Reconnection, key: bytes | None, urgency: int, asked: float
    ) -> None:
        self._waiting = waiting
        self._loop = asyncio.get_running_loop()
        self._future: Answer = self._loop.create_future()
        task = asyncio.current_task()
        assert task is not None
        self.waiter = Try(key, urgency, partial(tell, self._future), asked, task)

    def _rang(self) -> None:
        # In the same turn of the loop it may have been told to go, and its client have left.
        if not self._future.done() and self._waiting.dequeue(self.waiter):
            self._future.set_result(Outcome.TIMEOUT)

    async def comes(self, seconds: float) -> Outcome:
        """What it was told, or that the time is over."""
        timer = self._loop.call_later(max(seconds, 0.0), self._rang)
        try:
            return await self._future
        except BaseException:  # cancelled: it may have been told to go in the same turn
            self._waiting.dequeue(self.waiter)
            self._waiting.tried(self.waiter.task)
            raise
        finally:
            timer.cancel()
