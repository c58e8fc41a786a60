"""Who waits for a server of an upstream to come back, and who tries.

Every ``_EVERY`` seconds the request that is next is sent, one at a time. If it finds no server
either, it takes a place in the queue again. The first new connection to a server wakes all that
wait, in their order, whoever has made it: a request, a copy or a health check. So does an answer on
a connection that was there before. Where a server was there for a moment only, they wait on.
"""

import asyncio
import copy
from collections.abc import Callable, Iterator
from typing import Any, Final

from proxy.core.errors import ConnectFailed, NoEndpointAvailable, UpstreamError, forget_frames
from proxy.core.samples import Sample, counter, gauge
from proxy.core.scope import Servers
from proxy.core.words import in_seconds
from proxy.policy.queue import Queue, Waiter

_EVERY: Final = 0.1
"""Seconds between two tries to connect. A server that is not there pays nothing for them, and those
that wait notice within this time that it is back."""
_SLOW: Final = 1.0
"""Seconds after which another one tries too: the first may wait for an answer on a connection that
was there before."""


class Try(Waiter):
    """A request that waits to be sent, and the task that it runs in."""

    __slots__ = ("task",)

    def __init__(
        self,
        key: bytes | None,
        urgency: int,
        notify: Callable[[bool], bool],
        since: float,
        task: "asyncio.Task[Any]",
    ) -> None:
        super().__init__(key, urgency, notify, since)
        self.task = task


class Reconnection:
    """The requests that wait for a server of an upstream, and the one of them that tries."""

    __slots__ = (
        "_last",
        "_loop",
        "_queue",
        "_servers",
        "_timer",
        "_trying",
        "lacking",
        "refused",
        "timed_out",
        "woken",
    )

    def __init__(self, servers: Servers, queue: Queue) -> None:
        self._servers = servers
        self._queue = queue
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._trying: asyncio.Task[Any] | None = None
        self._last: UpstreamError = ConnectFailed()
        self.lacking = False
        """Whether no connection has worked since the last failure."""
        self.refused = 0
        """Found no place, or lost it to another."""
        self.timed_out = 0
        """Waited for as long as they could."""
        self.woken = 0
        """Were sent after a wait."""

    @property
    def waiting(self) -> bool:
        """Whether anybody waits, or tries now."""
        return bool(self._queue.waiting) or self._trying is not None

    def enqueue(self, waiter: Waiter, *, again: bool) -> bool:
        """Wait. False where there is no place for it. ``again``: it has waited before."""
        victim = self._queue.enqueue(waiter, again=again)
        if victim is waiter:
            self.refused += 1
            return False
        if victim is not None:
            self.refused += 1
            victim.notify(False)
        self._listen()
        if self._timer is None:
            self._try_in(_EVERY)
        return True

    def _listen(self) -> None:
        if self.connected not in self._servers.on_connect:
            self._servers.on_connect.append(self.connected)

    def dequeue(self, waiter: Waiter) -> bool:
        """Wait no more. False where it did not, since it had been told already."""
        found = self._queue.dequeue(waiter)
        self._rest()
        return found

    def tried(self, task: "asyncio.Task[Any] | None") -> None:
        """What this task has sent was answered, has failed or was cancelled."""
        if self._trying is task:
            self._trying = None
            self._try_in(_EVERY)
            self._rest()

    def fails_with(self, error: UpstreamError) -> None:
        """A request has found no server to connect to.

        If none could be asked, it is told why none could be connected to.
        """
        if isinstance(error, NoEndpointAvailable):
            error = self._servers.unreachable or self._last
        forget_frames(error)
        self._last, self.lacking = error, True

    def last_failure(self, patience: float) -> UpstreamError:
        """What is told to a request that has waited for so long."""
        error = copy.copy(self._last)
        error.patience_over = patience > 0
        error.detail = f"{error.detail}; waited for wait_for_connect of {in_seconds(patience)}"
        return error

    def connected(self) -> None:
        """A connection works: all that wait are sent."""
        self._trying, self.lacking = None, False
        while self._queue.waiting:
            self._next().notify(True)
        self._rest()

    def _next(self) -> Waiter:
        """Nobody has permits here: keys take turns."""
        waiter = self._queue.pop()
        self._queue.reprioritize(waiter.key)
        return waiter

    def _try_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._queue.waiting:
            self._timer = self._loop.call_later(seconds, self._try)

    def _try(self) -> None:
        """The next one is sent, and one more if that has shown nothing after a while."""
        self._timer = None
        while self._queue.waiting:
            waiter = self._next()
            if waiter.notify(True):
                assert isinstance(waiter, Try)
                self._trying = waiter.task
                break
        self._try_in(_SLOW)
        self._rest()

    def _rest(self) -> None:
        """Where nobody waits or tries, nothing is listened to."""
        if self.waiting:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.connected in self._servers.on_connect:
            self._servers.on_connect.remove(self.connected)

    def describe(self, now: float) -> Iterator[Sample]:
        """For operators; ``now`` is monotonic."""
        yield gauge("connect_waiting", self._queue.waiting)
        yield counter("connect_woken", self.woken)
        yield counter("connect_refused", self.refused)
        yield counter("connect_timed_out", self.timed_out)
