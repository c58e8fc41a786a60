"""Records what happens, a second at a time, of exchanges that end and of those in flight.

It is there only with ``[admin]``. Exchanges that went as usual are added up many at a time; all
else is done once a second, or for an exchange that was slow or has failed.
"""

import heapq
from collections.abc import Callable, Container, Iterable
from itertools import islice
from typing import Final

from proxy.core.clock import Clock, monotonic, wall
from proxy.core.exchange import Exchange
from proxy.http.upgrade import SWITCHING
from proxy.telemetry.buckets import bucket, histogram
from proxy.telemetry.call import Call, Teller, is_failure, is_trouble, where
from proxy.telemetry.covered import STALE, STANDS_IN, covered, passed_on
from proxy.telemetry.ended import Alike, Ended
from proxy.telemetry.hits import Hits
from proxy.telemetry.phases import NAMES, Phases, phase_now, phases
from proxy.telemetry.second import Cell, Event, Flying, Second
from proxy.telemetry.usual import FLOOR, Usual

FAILURES: Final = 5
"""Failed exchanges of each route that are kept in a second: of a flood, some are enough."""
SLOWEST: Final = 2
"""Likewise slow ones, the slowest."""
LOOKED_AT: Final = 2000
"""Exchanges in flight that are looked at; of more, it is estimated from these."""
SHOWN: Final = 64
"""Exchanges in flight that are told one by one, the oldest first, streams of events last."""
ROUTES: Final = 256
"""Routes and servers that are told apart in a second; more are one."""
OTHER: Final = "other"


class Recorder:
    """Makes a ``Second`` of each second."""

    __slots__ = (
        "_cells",
        "_clock",
        "_covered",
        "_ended",
        "_events",
        "_failures",
        "_hits",
        "_in_flight",
        "_kept",
        "_slowest",
        "_teller",
        "_usual",
        "_wall",
    )

    def __init__(
        self,
        ended: Ended,
        in_flight: Callable[[], Iterable[Exchange]],
        redact: tuple[str, ...] = (),
        *,
        clock: Clock = monotonic,
        wall: Callable[[], float] = wall,
    ) -> None:
        """``in_flight``: the exchanges that have not ended; ``redact``: ``[log] redact``."""
        self._ended = ended
        self._in_flight = in_flight
        self._clock = clock
        self._wall = wall
        self._teller = Teller(redact, clock, wall)
        self._cells: dict[tuple[str, str, str], Cell] = {}
        self._failures: dict[str, int] = {}
        self._covered: dict[str, int] = {}
        self._kept: list[Call] = []
        self._slowest: dict[str, list[tuple[float, int, Call]]] = {}
        self._usual: dict[str, Usual] = {}
        self._hits = Hits()
        self._events: list[Event] = []
        ended.tell(self)

    def redact(self, names: tuple[str, ...]) -> None:
        """Hide these too: ``[log] redact``."""
        self._teller = Teller(names, self._clock, self._wall)

    def keep(self, routes: Container[str]) -> None:
        """Forget what was usual on others, which a reload has taken away."""
        self._usual = {route: usual for route, usual in self._usual.items() if route in routes}
        self._hits.keep(routes)

    def count(self, alike: Alike, _: float) -> None:
        """See ``telemetry/ended``."""
        route, status, total = alike.route, alike.status, alike.total
        cell = self._cell((route, alike.upstream, alike.endpoint))
        number, ordered, sums = len(total), sorted(total), cell.phases
        cell.calls += number
        cell.bytes_in += alike.bytes_in
        cell.bytes_out += alike.bytes_out
        for at, counted in histogram(ordered).items():
            cell.counts[at] = cell.counts.get(at, 0) + counted
        sums[1] += sum(alike.queue)
        sums[3] += sum(alike.connect)
        sums[4] += sum(alike.first_byte)
        sums[5] += sum(alike.body)
        failed = status >= 500
        if failed:
            cell.failed += number
        elif status >= 400:
            cell.denied += number
        slow = self._slow(route)
        if failed or ordered[-1] >= slow:
            ended = zip(alike.exchanges, alike.ended_at, total, strict=True)
            for exchange, now, seconds in ended:
                if failed or seconds >= slow:
                    self._note(exchange, phases(exchange, now), now)

    def count_odd(self, exchange: Exchange, spent: Phases, now: float, _: float) -> None:
        """Count one exchange of any other kind, see ``Counting``."""
        record = exchange.record
        cell = self._cell((exchange.route, record.upstream, record.endpoint))
        seconds = now - exchange.started_at
        cell.calls += 1
        cell.bytes_in += exchange.bytes_in
        cell.bytes_out += exchange.bytes_out
        at = bucket(seconds)
        cell.counts[at] = cell.counts.get(at, 0) + 1
        for index, phase in enumerate(spent):
            cell.phases[index] += phase
        failed = is_failure(exchange)
        if failed:
            cell.failed += 1
        elif exchange.status >= 400:
            cell.denied += 1
        if record.failure[1] or record.cache.endswith(STANDS_IN):
            for place in passed_on(record).items():
                self._ask_besides(exchange.route, *place, failed=True)
            if cause := covered(exchange):
                self._cover(cause, exchange, cell, spent, now)
                return
        if failed or seconds >= self._slow(exchange.route):
            self._note(exchange, spent, now)

    def count_unseen(self, exchange: Exchange, now: float) -> None:
        """One that was sent for no client that is there, and has ended ``now``."""
        record = exchange.record
        if not record.endpoint:
            return
        failed = bool(record.failure[1])
        self._ask_besides(exchange.route, record.upstream, record.endpoint, failed=failed)
        if failed:
            self._hits.add(STALE, exchange, now, "", self._usual_of(exchange.route))

    def _ask_besides(self, route: str, upstream: str, server: str, *, failed: bool) -> None:
        cell = self._cell((route, upstream, server))
        cell.besides += 1
        cell.covered += failed

    def _cover(self, cause: str, exchange: Exchange, cell: Cell, spent: Phases, now: float) -> None:
        """A server has failed one that has ended well all the same."""
        if cause == STALE and cell.server:
            cell.covered += 1
        route, name = exchange.route, ""
        if exchange.record.endpoint and self._covered.get(route, 0) < SLOWEST:
            self._covered[route] = self._covered.get(route, 0) + 1
            call = self._teller.call(exchange, spent, now)
            self._kept.append(call)
            name = call.id
        self._hits.add(cause, exchange, now, name, self._usual_of(route))

    def _slow(self, route: str) -> float:
        """Seconds from which on a call may be worth keeping."""
        usual = self._usual.get(route)
        return FLOOR if usual is None else usual.slow

    def event(self, kind: str, text: str, **labels: str) -> None:
        """Note a change of state; ``labels``: upstream, server and route, where it has them."""
        self._events.append(Event(at=self._wall(), kind=kind, text=text, **labels))

    def tick(self, connections: int = 0) -> Second:
        """The second is over."""
        self._ended.flush()
        now = self._clock()
        flying, shown = self._look(now)
        kept = [
            *self._kept,
            *(call for slowest in self._slowest.values() for _, _, call in slowest),
        ]
        second = Second(
            at=round(self._wall(), 3),
            cells=list(self._cells.values()),
            flying=flying,
            in_flight=shown,
            kept=kept,
            hits=[],
            events=self._events,
            connections=connections,
        )
        self._learn(self._hits.troubled)
        second.hits = self._hits.take()
        self._cells, self._failures, self._kept, self._slowest = {}, {}, [], {}
        self._events, self._covered = [], {}
        return second

    def look(self) -> list[Call]:
        """The exchanges in flight now, the oldest first."""
        return self._look(self._clock(), count=False)[1]

    def _cell(self, key: tuple[str, str, str]) -> Cell:
        if (cell := self._cells.get(key)) is not None:
            return cell
        if len(self._cells) >= ROUTES:
            key = (OTHER, "", "")
            if key in self._cells:
                return self._cells[key]
        cell = self._cells[key] = Cell(*key, 0, 0, 0, 0, 0, [0.0] * len(NAMES), {})
        return cell

    def _note(self, exchange: Exchange, spent: Phases, now: float) -> None:
        """One that was slow or has failed."""
        route, seconds = exchange.route, now - exchange.started_at
        failed = is_failure(exchange)
        usual = self._usual_of(route)
        tunnel = exchange.status == SWITCHING
        long = "" if exchange.endless or tunnel else usual.unusual(spent, exchange.bytes_out)
        slowest = self._slowest.setdefault(route, [])
        if failed:
            keep = self._failures[route] = self._failures.get(route, 0) + 1
            if keep > FAILURES and not is_trouble(exchange):
                if long:
                    self._hits.add(long, exchange, now, self._teller.name(exchange), usual)
                return
            if keep > FAILURES:
                # The cause is told for all of a flood by those that are kept.
                self._hits.add_alike(exchange, now)
                return
        elif tunnel or (len(slowest) >= SLOWEST and seconds <= slowest[0][0]):
            if long:
                self._hits.add(long, exchange, now, self._teller.name(exchange), usual)
            return
        call = self._teller.call(exchange, spent, now)
        if failed:
            self._kept.append(call)
        else:
            entry = (seconds, id(call), call)
            push = heapq.heappush if len(slowest) < SLOWEST else heapq.heappushpop
            push(slowest, entry)
        cause = call.cause if failed and is_trouble(exchange) else long
        if cause and cause != "request":
            self._hits.add(cause, exchange, now, call.id, usual)

    def _usual_of(self, route: str) -> Usual:
        if len(self._usual) >= ROUTES and route not in self._usual:
            route = OTHER
        return self._usual.setdefault(route, Usual())

    def _look(self, now: float, *, count: bool = True) -> tuple[list[Flying], list[Call]]:
        """Who is in flight, by phase; and the oldest of them."""
        flying: dict[tuple[str, str, str, str], Flying] = {}
        all_of_them = iter(self._in_flight())
        seen = list(islice(all_of_them, LOOKED_AT))
        more = sum(1 for _ in all_of_them)
        for exchange in seen if count else ():
            seconds = now - exchange.started_at
            place = where(exchange.record.with_call(), now)
            key = (exchange.route, *place, phase_now(exchange, now))
            known = flying.get(key)
            if known is None:
                flying[key] = Flying(*key, 1, round(seconds, 3))
            else:
                known.number += 1
                known.oldest = max(known.oldest, round(seconds, 3))
            if seconds >= 0.25 and not exchange.endless and exchange.status != SWITCHING:
                usual = self._usual_of(exchange.route)
                if long := usual.unusual(phases(exchange, now), exchange.bytes_out):
                    self._hits.add(long, exchange, now, self._teller.name(exchange), usual)
        if more:
            for each in flying.values():
                each.number = round(each.number * (1 + more / LOOKED_AT))
        oldest = heapq.nsmallest(SHOWN, seen, key=lambda each: (each.endless, each.started_at))
        calls = [self._teller.call(each, phases(each, now), now, in_flight=True) for each in oldest]
        return list(flying.values()), calls

    def _learn(self, troubled: set[str]) -> None:
        """What the second says of what is usual."""
        sums: dict[str, tuple[int, list[float]]] = {}
        for cell in self._cells.values():
            calls, seconds = sums.get(cell.route, (0, [0.0] * len(NAMES)))
            added = [a + b for a, b in zip(seconds, cell.phases, strict=True)]
            sums[cell.route] = (calls + cell.calls, added)
        for route, (calls, seconds) in sums.items():
            self._usual_of(route).learn(calls, seconds, doubt=route in troubled)
