"""What has happened since start: by route, by server, and how long it took."""

import asyncio
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping
from functools import partial
from typing import Final, TypeAlias

from proxy.core.exchange import Exchange
from proxy.core.record import HEDGED, Attempt
from proxy.core.samples import Sample, counter, gauge
from proxy.http.upgrade import SWITCHING
from proxy.telemetry.attempts import attempts
from proxy.telemetry.ended import Alike, Ended
from proxy.telemetry.phases import Phases
from proxy.telemetry.traffic import OTHER, Traffic, times

MOST: Final = 500
"""Servers that are told apart; names that are looked up may stand for ever new addresses."""

STEP: Final = 16
"""Routes whose times are told at once, which takes about a millisecond."""

_FAILED: Final = 400
_SMOOTH: Final = 1 / 16
"""Weight of the last answer in what a server takes."""
Counts: TypeAlias = defaultdict[str, int]


class Served:
    """What one server has done, as the ends of exchanges tell."""

    __slots__ = ("outcomes", "seconds")

    def __init__(self) -> None:
        self.outcomes: Counts = defaultdict(int)
        self.seconds: float | None = None
        """From a request to the head of its answer, a moving mean."""

    def took(self, seconds: float, number: int = 1) -> None:
        """So many answers took so long in the mean."""
        known = self.seconds
        weight = 1.0 if known is None else 1 - (1 - _SMOOTH) ** number
        self.seconds = seconds * weight + (known or 0.0) * (1 - weight)


class Counters:
    """Counts what has ended."""

    __slots__ = ("_ended", "_routes", "_servers", "_traffic")

    def __init__(self, ended: Ended) -> None:
        self._ended = ended
        self._routes: defaultdict[str, Counts] = defaultdict(partial(defaultdict, int))
        self._servers: defaultdict[tuple[str, str], Served] = defaultdict(Served)
        self._traffic: defaultdict[tuple[str, str], Traffic] = defaultdict(Traffic)
        ended.tell(self)

    def count(self, alike: Alike, behind: float) -> None:
        """See ``telemetry/ended``."""
        number, status, queue, total = len(alike.total), alike.status, alike.queue, alike.total
        traffic = self._traffic[alike.route, alike.upstream]
        traffic.count(alike.method, status, number, alike.bytes_in, alike.bytes_out)
        nobody = (0.0,) * number
        columns = (nobody, queue, (), alike.connect, alike.first_byte, alike.body, total)
        slowest = total.index(max(total))
        spent = tuple([column[slowest] if column else None for column in columns])
        traffic.add(columns, alike.exchanges[slowest], spent, behind + alike.ended_at[slowest])
        counts = self._routes[alike.route]
        counts["requests"] += number
        counts["attempts"] += number
        if status >= _FAILED:
            counts[f"status {status}"] += number
        served = self._server(alike.upstream, alike.endpoint)
        served.outcomes[str(status)] += number
        served.took((sum(alike.first_byte) + sum(alike.connect)) / number, number)

    def count_odd(self, exchange: Exchange, spent: Phases, now: float, behind: float) -> None:
        """Count one exchange of any other kind, see ``Counting``."""
        counts = self._routes[exchange.route]
        counts["requests"] += 1
        record = exchange.record
        counts["attempts"] += 0 if record.left_behind else record.attempt_count
        tries = attempts(exchange, now)
        if exchange.status == SWITCHING:
            counts["tunnels"] += 1
        if exchange.status >= _FAILED or exchange.error:
            counts[f"status {exchange.status}"] += 1
            if exchange.error:
                counts[f"error {exchange.error}"] += 1
        self._serve(counts, exchange, tries)
        if len(tries) == 1 and not exchange.error and record.first_byte_at is not None:
            served = self._server(record.upstream, record.endpoint)
            served.took(spent.connect + spent.first_byte)
        traffic = self._traffic[exchange.route, record.upstream]
        traffic.add_odd(exchange, times(exchange, spent, now), behind + now)

    def count_unseen(self, exchange: Exchange, now: float) -> None:
        """What nobody was told of: no request, but attempts. See ``Shared.unseen``."""
        counts, record = self._routes[exchange.route], exchange.record
        counts["attempts"] += 0 if record.left_behind else record.attempt_count
        self._serve(counts, exchange, attempts(exchange, now))

    def _serve(self, counts: Counts, exchange: Exchange, tries: tuple[Attempt, ...]) -> None:
        """There are none where another's call answered it, or nobody was asked."""
        for attempt in tries[:-1]:
            counts[HEDGED if attempt.hedged else f"retry {attempt.outcome}"] += 1
        for attempt in tries:
            upstream = attempt.upstream or exchange.record.upstream
            self._server(upstream, attempt.endpoint).outcomes[attempt.outcome] += 1

    def _server(self, upstream: str, endpoint: str) -> Served:
        key = upstream, endpoint
        if key not in self._servers and len(self._servers) >= MOST:
            key = upstream, OTHER
        return self._servers[key]

    def keep(self, routes: Container[str], servers: Mapping[str, Container[str]]) -> None:
        """Forget what was counted of others, which a reload has taken away: there may come ever new
        ones. ``servers``: by upstream. Nothing is a name too: of who found no route or upstream."""
        self._ended.flush()
        for route in [each for each in self._routes if each not in routes]:
            del self._routes[route]
        for way in [
            each for each in self._traffic if not (each[0] in routes and each[1] in servers)
        ]:
            del self._traffic[way]
        for upstream, server in list(self._servers):
            stay = servers.get(upstream)
            if stay is None or (server not in stay and server != OTHER):  # some of those may stay
                del self._servers[upstream, server]

    def describe(self, _: float = 0.0) -> Iterator[Sample]:
        """By route, whose empty name stands for requests that found none; and by server."""
        self._ended.flush()
        for route, counts in self._routes.items():
            for what, number in counts.items():
                name, _sep, value = what.partition(" ")
                labels = {"route": route, name: value} if value else {"route": route}
                yield counter(f"route_{name}", number, labels)
        for (upstream, endpoint), served in self._servers.items():
            labels = {"upstream": upstream, "endpoint": endpoint}
            if served.seconds is not None:
                yield gauge("served_latency_seconds", served.seconds, labels)
            for outcome, number in served.outcomes.items():
                yield counter("served_attempts", number, {**labels, "outcome": outcome})

    def times(self) -> Iterator[list[Sample]]:
        """Of each route and upstream, what nobody but metrics shows: there are dozens for each.

        Exchanges may end between two of these lists.
        """
        self._ended.flush()
        for (route, upstream), traffic in list(self._traffic.items()):
            yield list(traffic.describe({"route": route, "upstream": upstream}))

    async def times_in_steps(self) -> list[Sample]:
        """All of them, with time for others in between: hundreds of routes take a while."""
        told: list[Sample] = []
        for number, part in enumerate(self.times(), 1):
            told += part
            if not number % STEP:
                await asyncio.sleep(0)
        return told
