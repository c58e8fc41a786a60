"""The adaptive limit, in virtual time, in front of an API that degrades when asked too much.

The API works on ``N`` requests at a time at full speed. On ``n`` more than that each goes
``(N / n) ** 1.5`` as fast, so the more it is asked the less it does. Requests come at 1.2 times of
what it can do at best; who has waited for a second is refused. The policies are the proxy's own.

There are three kinds of APIs: one whose answers take about as long, one whose times are log-normal
with a sigma of 0.8, and one with three routes that take very different times.
"""

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from proxy.policy.baselines import Baselines
from proxy.policy.gradient import Gradient
from proxy.policy.limiter import ConcurrencyLimiter
from proxy.policy.queue import Queue, Waiter

SERVICE: Final = 0.2
"""Seconds that a request takes, on average."""
LOAD: Final = 1.2
PATIENCE: Final = 10.0
"""Seconds after which an answer is of no use any more."""
QUEUE: Final = 1.0
_UNLIMITED: Final = 10**9


class Route(NamedTuple):
    """One of several."""

    share: float
    """Of the requests."""
    factor: float
    """Of the average time."""


class Kind(NamedTuple):
    """What the times of an API are like; on average a request takes ``SERVICE``."""

    name: str
    spread: float
    """Sigma of their logarithms, on each route."""
    routes: tuple[Route, ...] = (Route(1.0, 1.0),)


KINDS: Final = (
    Kind("even", 0.3),
    Kind("noisy", 0.8),
    Kind("routes", 0.3, (Route(0.7, 0.3), Route(0.2, 1.0), Route(0.1, 5.9))),
)


class Api:
    """Shares its time among what it works on. Time is counted in work that each has been given."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._work = 0.0
        self._now = 0.0
        self._busy: list[tuple[float, int, Request]] = []

    def _speed(self) -> float:
        n = len(self._busy)
        return 1.0 if n <= self.capacity else (self.capacity / n) ** 1.5

    def move(self, now: float) -> None:
        """Work until then."""
        self._work += self._speed() * (now - self._now)
        self._now = now

    def take(self, request: "Request", work: float) -> None:
        """Begin with a request."""
        heapq.heappush(self._busy, (self._work + work, request.number, request))

    def next(self) -> float:
        """When it will have finished one."""
        if not self._busy:
            return math.inf
        return self._now + max(0.0, self._busy[0][0] - self._work) / self._speed()

    def pop(self) -> "Request":
        """The one that it has finished."""
        return heapq.heappop(self._busy)[2]


@dataclass
class Request:
    """One, from its client to its answer."""

    number: int
    asked: float
    stage: int
    route: bytes
    factor: float
    begun: float = 0.0


@dataclass
class Stage:
    """What became of those that came in it."""

    capacity: int
    good: int = 0
    refused: int = 0
    taken: list[float] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)

    def p99(self) -> float:
        """Of all answers, those that nobody waited for any more counting as ``PATIENCE``."""
        ordered = sorted(self.taken)
        return ordered[int(len(ordered) * 0.99)] if ordered else PATIENCE


class Day:
    """A run through several stages."""

    def __init__(
        self, seed: int, kind: Kind, capacities: list[int], seconds: float, limit: int | None
    ) -> None:
        """``limit`` None for the adaptive one, 0 for none."""
        self._rng = random.Random(seed)
        self._kind = kind
        self._seconds = seconds
        self.stages = [Stage(capacity) for capacity in capacities]
        self._gradient = Gradient(4, 1024) if limit is None else None
        self._baselines = Baselines()
        first = self._gradient.limit if self._gradient is not None else limit or _UNLIMITED
        self._limiter = ConcurrencyLimiter(first, Queue(100_000, "fifo"))
        self._api = Api(capacities[0])
        self._clocks: list[tuple[float, int, Waiter]] = []
        self._waiting: dict[Waiter, Request] = {}
        self._now = 0.0
        self._number = 0

    def run(self) -> list[Stage]:
        """From the first stage to the last."""
        arrival = 0.0
        for number, stage in enumerate(self.stages):
            self._api.capacity = stage.capacity
            end = (number + 1) * self._seconds
            while True:
                late = self._clocks[0][0] if self._clocks else math.inf
                finished = self._api.next()
                self._now = min(arrival, late, finished, end)
                self._api.move(self._now)
                if self._now == end:
                    break
                if self._now == finished:
                    self._finish(self._api.pop())
                elif self._now == late:
                    self._refuse(heapq.heappop(self._clocks)[2])
                else:
                    self._arrive(number)
                    gap = self._rng.expovariate(LOAD * stage.capacity / SERVICE)
                    arrival = self._now + gap
                stage.limits.append(self._limiter.limit)
        return self.stages

    def _arrive(self, stage: int) -> None:
        self._number += 1
        [(route, found)] = self._rng.choices(
            list(enumerate(self._kind.routes)), [each.share for each in self._kind.routes]
        )
        request = Request(self._number, self._now, stage, b"%d" % route, found.factor)
        if self._limiter.try_acquire(None):
            self._begin(request)
            return
        place = Waiter(None, 3, lambda _: self._through(place))
        self._waiting[place] = request
        self._limiter.enqueue(place)
        heapq.heappush(self._clocks, (self._now + QUEUE, request.number, place))

    def _through(self, place: Waiter) -> bool:
        self._begin(self._waiting.pop(place))
        return True

    def _begin(self, request: Request) -> None:
        request.begun = self._now
        spread = self._kind.spread
        drawn = self._rng.lognormvariate(-spread * spread / 2, spread)
        self._api.take(request, SERVICE * request.factor * drawn)

    def _finish(self, request: Request) -> None:
        stage = self.stages[request.stage]
        taken = self._now - request.asked
        stage.taken.append(min(taken, PATIENCE))
        stage.good += taken < PATIENCE
        limiter, gradient = self._limiter, self._gradient
        under_way = limiter.in_flight
        limiter.release(None, self._now)
        if gradient is not None:
            served = self._now - request.begun
            usual = self._baselines.of(request.route)
            if self._baselines.learn(request.route, served):
                gradient.restart()
            if gradient.observe(usual, served, self._now, under_way):
                limiter.limit = gradient.limit
                limiter.wake_waiters()

    def _refuse(self, place: Waiter) -> None:
        if self._limiter.dequeue(place):
            self.stages[self._waiting.pop(place).stage].refused += 1


def compare(seed: int, seconds: float, say: Callable[[str], None]) -> None:
    """Say a line for each stage of each kind."""
    for kind in KINDS:
        _compare(kind, seed, seconds, say)


def _compare(kind: Kind, seed: int, seconds: float, say: Callable[[str], None]) -> None:
    capacities = [20, 60, 20]
    adaptive = Day(seed, kind, capacities, seconds, None).run()
    without = Day(seed, kind, capacities, seconds, 0).run()
    fixed = {
        capacity: max(
            Day(seed, kind, [capacity], seconds, limit).run()[0].good
            for limit in range(capacity - 4, capacity + 6, 2)
        )
        for capacity in set(capacities)
    }
    for stage, none in zip(adaptive, without, strict=True):
        share = stage.good / fixed[stage.capacity]
        tail = none.p99() / stage.p99()
        settled = stage.limits[len(stage.limits) // 2 :]
        say(
            f"| {kind.name} | {seed} | {stage.capacity} | {sum(settled) / len(settled):.1f} "
            f"| {stage.good / seconds:,.0f} | {100 * share:.1f} | {none.good / seconds:,.0f} "
            f"| {stage.p99():.2f} | {none.p99():.2f} | {tail:.1f} |"
        )
