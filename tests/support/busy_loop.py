"""The adaptive limit where the proxy's own loop takes its time, in virtual time.

Turns of the loop go as they do in asyncio and uvloop: what was called soon in the last turn, then
what has come from the API and from clients until this turn began. Each answer and each request
costs some time, and so may other work in each turn. All clients ask again at once.
"""

import math
import random
from collections.abc import Callable

from benchmarks.waiting.adaptive import Api, Request
from proxy.middleware.concurrency.options import ConcurrencyOptions, QueueOptions
from proxy.middleware.concurrency.upstream_limit import HeadTimes, UpstreamLimit
from proxy.net.loop_turns import LoopTurns
from proxy.policy.queue import Waiter
from tests.support.loop import get, reply

_COST = 75e-6
"""Seconds of a request, half of them before it goes out."""
_TURN = 30e-6
"""Seconds of a turn in which anything is done."""


class Blind(LoopTurns):
    """Knows of nothing that it comes at once, as it was before there were turns."""

    def at_once(self, sent: float) -> bool:
        return False


def no_turns() -> LoopTurns:
    """For what sends nothing."""
    calls: list[Callable[[], None]] = []
    return LoopTurns(calls.append, lambda: 0.0)


class BusyLoop:
    """So many clients, a proxy, and an API that works on ``capacity`` requests at full speed."""

    def __init__(
        self,
        capacity: int,
        service: float,
        *,
        other: float = 0.0,
        refuses: int = 0,
        clients: int = 64,
        turns: type[LoopTurns] = LoopTurns,
    ) -> None:
        """``service``: seconds of an answer; ``other``: of other work in each turn.

        ``refuses``: more requests at a time than about so many are refused at once.
        """
        self._now = 0.0
        self._rng = random.Random(1)
        self._api = Api(capacity)
        self._service, self._other, self._refuses = service, other, refuses
        options = ConcurrencyOptions(max_requests=1024, adaptive="gradient", min=4)
        self._limit = UpstreamLimit(options, QueueOptions())
        self._soon: list[Callable[[], None]] = []
        self._times = HeadTimes(self._limit, None, turns(self._call_soon, lambda: self._now))
        self._came: list[tuple[Request, int]] = []
        """What has been sent, and the status that has come."""
        self._asking = clients
        self._number = 0
        self.answers = self.refused = 0
        self.limits: list[int] = []
        """One for each turn."""

    def run(self, seconds: float) -> "BusyLoop":
        """For so long."""
        while self._now < seconds:
            soon, self._soon = self._soon, []
            came, self._came = self._came, []
            asking, self._asking = self._asking, 0
            for call in soon:
                call()
            for request, status in came:
                self._answer(request, status)
            for _ in range(asking):
                self._ask()
            self._now += self._other * self._rng.uniform(0.5, 1.5)
            if soon or came or asking:
                self._now += _TURN
            elif not self._other:
                self._now = max(self._now, self._api.next())
            self._read()
            self.limits.append(self._limit.limiter.limit)
        return self

    def settled(self) -> float:
        """The mean limit of the second half."""
        last = self.limits[len(self.limits) // 2 :]
        return sum(last) / len(last)

    def _call_soon(self, call: Callable[[], None]) -> None:
        self._soon.append(call)

    def _read(self) -> None:
        while (at := self._api.next()) <= self._now:
            self._api.move(at)
            self._came.append((self._api.pop(), 200))
        self._api.move(self._now)

    def _ask(self) -> None:
        limiter = self._limit.limiter
        if limiter.try_acquire(None):
            self._send()
        else:
            limiter.enqueue(Waiter(None, 3, self._through))

    def _through(self, through: bool) -> bool:
        self._send()
        return through

    def _send(self) -> None:
        self._now += _COST / 2
        self._read()
        self._times.begin(self._now)
        self._number += 1
        request = Request(self._number, self._now, 0, b"", 1.0, self._now)
        most = self._refuses * self._rng.uniform(0.7, 1.3) if self._refuses else math.inf
        if self._limit.limiter.in_flight > most:
            self._came.append((request, 503))
        else:
            self._api.take(request, self._service * self._rng.lognormvariate(-0.045, 0.3))

    def _answer(self, request: Request, status: int) -> None:
        self._now += _COST / 2
        self.answers += status == 200
        self.refused += status != 200
        self._times.observe(get(), self._now - request.begun, self._now, reply(status))
        self._limit.limiter.release(None, self._now)
        self._asking += 1
