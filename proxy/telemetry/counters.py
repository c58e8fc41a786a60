"""What has happened since start, by route."""

from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from typing import Final

from proxy.core.exchange import Exchange
from proxy.core.outcome import CONNECT_FAILURE, RESET, TIMEOUT
from proxy.core.record import HEDGED
from proxy.core.samples import Sample, counter, gauge

_SWITCHED: Final = 101
_OK: Final = 400


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
_SMOOTH: Final = 1 / 16
"""Weight of the last answer in what a server takes."""


class Served:
    """What one server has done, as the ends of exchanges tell."""

    __slots__ = ("outcomes", "seconds")

    def __init__(self) -> None:
        self.outcomes: defaultdict[str, int] = defaultdict(int)
        self.seconds: float | None = None
        """From a request to the head of its answer, a moving mean."""


class Counters:
    """An observer that counts."""

    __slots__ = ("_routes", "_servers")

    def __init__(self) -> None:
        self._routes: defaultdict[str, defaultdict[str, int]] = defaultdict(
            partial(defaultdict, int)
        )
        self._servers: defaultdict[tuple[str, str], Served] = defaultdict(Served)

    def record(self, exchange: Exchange, _: float) -> None:
        """Count an exchange that has ended."""
        counts = self._routes[exchange.route]
        counts["requests"] += 1
        record = exchange.record
        counts["attempts"] += record.attempt_count
        if exchange.status == _SWITCHED:
            counts["tunnels"] += 1
        if exchange.status >= _OK or exchange.error:
            counts[f"status {exchange.status}"] += 1
            if exchange.error:
                counts[f"error {exchange.error}"] += 1
        for attempt in record.attempt_log[:-1]:
            name = HEDGED if attempt.outcome == HEDGED else f"retry {attempt.outcome}"
            counts[name] += 1
        if record.attempt_count:  # else another's call answered it, or nobody was asked
            self._serve(exchange)

    def _serve(self, exchange: Exchange) -> None:
        record = exchange.record
        upstream = record.upstream
        if record.attempt_log:
            for attempt in record.attempt_log:
                self._servers[upstream, attempt.endpoint].outcomes[attempt.outcome] += 1
            return
        error = exchange.error
        outcome = _CLASSES.get(error) if error else str(exchange.status)
        served = self._servers[upstream, record.endpoint]
        if outcome is not None:
            served.outcomes[outcome] += 1
        if not error and record.first_byte_at is not None:
            took = record.first_byte_at - exchange.started_at - record.queue_s
            known = served.seconds
            served.seconds = took if known is None else known + (took - known) * _SMOOTH

    def describe(self, _: float = 0.0) -> Iterator[Sample]:
        """By route, whose empty name stands for requests that found none; and by server."""
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
