"""What has happened since start: by route, by server, and how long it took.

Exchanges are counted in batches, as the access log writes its lines (docs/decisions/0012). Those of
a batch that went well are counted column by column: one by one, histograms would cost three times
as much as everything else that is counted.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, TypeAlias

from proxy.core.body import EMPTY
from proxy.core.clock import monotonic, wall
from proxy.core.exchange import Exchange
from proxy.core.outcome import CONNECT_FAILURE, RESET, TIMEOUT
from proxy.core.record import HEDGED
from proxy.core.samples import Sample, counter, gauge
from proxy.telemetry.phases import phases
from proxy.telemetry.traffic import OTHER, Times, Traffic, times

MANY: Final = 64
"""Exchanges that are counted at once; whoever asks for the counts has the rest counted."""
MOST: Final = 500
"""Servers that are told apart; names that are looked up may stand for ever new addresses."""

_SWITCHED: Final = 101
_FAILED: Final = 400
_SMOOTH: Final = 1 / 16
"""Weight of the last answer in what a server takes."""
_CLASSES: Final = {
    "connection_refused": CONNECT_FAILURE,
    "connection_timeout": CONNECT_FAILURE,
    "dns_error": CONNECT_FAILURE,
    "dns_timeout": CONNECT_FAILURE,
    "tls_protocol_error": CONNECT_FAILURE,
    "tls_certificate_error": CONNECT_FAILURE,
    "connection_terminated": RESET,
    "http_protocol_error": RESET,
    "http_response_timeout": TIMEOUT,
    "http_response_incomplete": "broken",
}
"""What became of an attempt whose request was given this token."""

Counts: TypeAlias = defaultdict[str, int]
_Kind: TypeAlias = tuple[str, str, str, str, int]
"""Route, upstream, endpoint, method, status."""
_Ended: TypeAlias = tuple[Exchange, float, Times | None]
"""An exchange, when it ended, and its times where they are not plain: of one attempt that a client
without a body made and whose reply it took at once."""
_Row: TypeAlias = tuple[float, float, float, float, float, int, int]
"""Queue, connect, until the head, body, total; bytes in and out."""


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
    """An observer that counts."""

    __slots__ = ("_clock", "_ended", "_routes", "_servers", "_traffic", "_wall")

    def __init__(
        self, clock: Callable[[], float] = monotonic, wall: Callable[[], float] = wall
    ) -> None:
        """``clock``: that of the exchanges; ``wall``: the time of day."""
        self._clock = clock
        self._wall = wall
        self._ended: list[_Ended] = []
        self._routes: defaultdict[str, Counts] = defaultdict(partial(defaultdict, int))
        self._servers: defaultdict[tuple[str, str], Served] = defaultdict(Served)
        self._traffic: defaultdict[tuple[str, str], Traffic] = defaultdict(Traffic)

    def record(self, exchange: Exchange, now: float) -> None:
        """Count an exchange that has ended ``now``."""
        record, ended = exchange.record, self._ended
        if (
            record.attempt_count == 1
            and exchange.body is EMPTY
            and exchange.stalled is None
            and not exchange.error
            and not record.attempt_log
            and record.first_byte_at is not None
            and exchange.status != _SWITCHED
        ):
            ended.append((exchange, now, None))
        else:  # what is known of its client is forgotten with its body
            ended.append((exchange, now, times(exchange, phases(exchange, now), now)))
        if len(ended) >= MANY:
            self._count()

    def _count(self) -> None:
        ended, self._ended = self._ended, []
        behind = self._wall() - self._clock()
        odd: list[tuple[Exchange, Times, float]] = []
        kinds: dict[_Kind, tuple[list[_Row], list[_Ended]]] = {}
        for each in ended:
            exchange, now, spent = each
            record = exchange.record
            head = record.first_byte_at
            if spent is not None or head is None:
                odd.append((exchange, spent or (), behind + now))
                continue
            kind = (
                exchange.route,
                record.upstream,
                record.endpoint,
                exchange.method,
                exchange.status,
            )
            if kind in kinds:
                rows, those = kinds[kind]
            else:
                rows, those = kinds[kind] = [], []
            began = exchange.started_at
            rows.append(
                (
                    record.queue_s,
                    record.connect_s or 0.0,
                    head - began,
                    now - head,
                    now - began,
                    exchange.bytes_in,
                    exchange.bytes_out,
                )
            )
            those.append(each)
        for kind, (rows, those) in kinds.items():
            self._count_plain(kind, rows, those, behind)
        for exchange, spent, at in odd:
            self._count_odd(exchange, spent, at)

    def _count_plain(
        self, kind: _Kind, rows: list[_Row], those: list[_Ended], behind: float
    ) -> None:
        """Those of a batch that have route, server, method and status in common."""
        route, upstream, endpoint, method, status = kind
        number = len(rows)
        queue, connect, head, body, total, taken, given = zip(*rows, strict=True)
        traffic = self._traffic[route, upstream]
        traffic.count(method, status, number, sum(taken), sum(given))
        thought: Any = head
        if any(queue) or any(connect):
            thought = [max(0.0, h - q - c) for h, q, c in zip(head, queue, connect, strict=True)]
        nobody = (0.0,) * number
        columns = (nobody, queue, (), connect, thought, body, total)
        slowest = total.index(max(total))
        spent = tuple(column[slowest] if column else None for column in columns)
        exchange, ended_at, _ = those[slowest]
        traffic.add(columns, exchange, spent, behind + ended_at)
        counts = self._routes[route]
        counts["requests"] += number
        counts["attempts"] += number
        if status >= _FAILED:
            counts[f"status {status}"] += number
        served = self._server(upstream, endpoint)
        served.outcomes[str(status)] += number
        served.took((sum(head) - sum(queue)) / number, number)

    def _count_odd(self, exchange: Exchange, spent: Times, at: float) -> None:
        counts = self._routes[exchange.route]
        counts["requests"] += 1
        record = exchange.record
        counts["attempts"] += record.attempt_count
        if exchange.status == _SWITCHED:
            counts["tunnels"] += 1
        if exchange.status >= _FAILED or exchange.error:
            counts[f"status {exchange.status}"] += 1
            if exchange.error:
                counts[f"error {exchange.error}"] += 1
        for attempt in record.attempt_log[:-1]:
            name = HEDGED if attempt.outcome == HEDGED else f"retry {attempt.outcome}"
            counts[name] += 1
        if record.attempt_count:  # else another's call answered it, or nobody was asked
            self._serve(exchange)
        self._traffic[exchange.route, record.upstream].add_odd(exchange, spent, at)

    def _serve(self, exchange: Exchange) -> None:
        record = exchange.record
        upstream = record.upstream
        if record.attempt_log:
            for attempt in record.attempt_log:
                self._server(upstream, attempt.endpoint).outcomes[attempt.outcome] += 1
            return
        error = exchange.error
        outcome = _CLASSES.get(error) if error else str(exchange.status)
        served = self._server(upstream, record.endpoint)
        if outcome is not None:
            served.outcomes[outcome] += 1
        if not error and record.first_byte_at is not None:
            served.took(record.first_byte_at - exchange.started_at - record.queue_s)

    def _server(self, upstream: str, endpoint: str) -> Served:
        key = upstream, endpoint
        if key not in self._servers and len(self._servers) >= MOST:
            key = upstream, OTHER
        return self._servers[key]

    def describe(self, _: float = 0.0) -> Iterator[Sample]:
        """By route, whose empty name stands for requests that found none; and by server."""
        self._count()
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
        for (route, upstream), traffic in self._traffic.items():
            yield from traffic.describe({"route": route, "upstream": upstream})
