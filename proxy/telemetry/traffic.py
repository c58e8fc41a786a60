"""What went through one route to one upstream, and how long it took."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from proxy.core.exchange import Exchange
from proxy.core.keys_shown import is_hidden
from proxy.core.samples import Labels, Sample, counter
from proxy.http.request_id import trace_id
from proxy.http.upgrade import SWITCHING
from proxy.telemetry.histograms import Histogram
from proxy.telemetry.phases import NAMES, Phases

OTHER: Final = "other"
"""Label of what has no name of its own."""
METHODS: Final = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "QUERY", "CONNECT")
)
"""Those that are told apart: RFC 9110 9.3, PATCH (RFC 5789) and QUERY."""
TIMES: Final = (*NAMES, "total")
"""What there is a histogram of: each phase, and the whole."""
ALWAYS: Final = frozenset({"first_byte", "total"})
"""Those that are told from the first exchange on. Most routes never wait for a queue, a connection
or their clients, and each phase would have twenty lines of zeros in ``/metrics``."""
Times: TypeAlias = tuple[float | None, ...]
"""Seconds in the order of ``TIMES``; None for what an exchange did not come to."""


def times(exchange: Exchange, spent: Phases, now: float) -> Times:
    """Of an exchange that ended ``now``.

    A phase that it did not come to is left out, as is the length of a tunnel: it says nothing of
    the upstream. A server that never answered was waited for all the same. Only exchanges that were
    tried again, or that waited for that, have ``retries``.
    """
    record = exchange.record
    whole = exchange.status != SWITCHING
    asked = record.attempt_count > 0
    answered = record.first_byte_at is not None
    again = len(record.attempt_log) + record.is_unlogged > 1
    return (
        spent.client if whole else None,
        spent.queue,
        spent.retries if spent.retries or again else None,
        spent.connect if asked else None,
        spent.first_byte if answered or (asked and record.connect_s is not None) else None,
        spent.body if answered and whole else None,
        now - exchange.started_at if whole else None,
    )


class Traffic:
    """Counts."""

    __slots__ = ("_bytes_in", "_bytes_out", "_clocks", "_refused", "_requests", "_times")

    def __init__(self) -> None:
        self._requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        """By method and status."""
        self._clocks: defaultdict[str, int] = defaultdict(int)
        """Exchanges that a timeout ended."""
        self._refused: defaultdict[str, int] = defaultdict(int)
        """Those that the proxy refused, by reason."""
        self._bytes_in = self._bytes_out = 0
        self._times = tuple(Histogram() for _ in TIMES)
        """In the order of ``TIMES``."""

    def add(
        self, columns: Sequence[Sequence[float]], slowest: Exchange, spent: Times, at: float
    ) -> None:
        """Many exchanges: each of ``TIMES`` of all of them.

        ``spent``: the times of the slowest, which ended ``at``, a time of day.
        """
        for histogram, seconds in zip(self._times, columns, strict=True):
            if seconds:
                histogram.observe(seconds)
        fields = slowest.headers if slowest.heard is None else slowest.heard
        if (trace := trace_id(fields)) and not is_hidden("trace_id"):
            for histogram, took in zip(self._times, spent, strict=True):
                if took is not None:
                    histogram.exemplify(took, trace, at)

    def count(self, method: str, status: int, number: int, taken: int, given: int) -> None:
        """Of so many exchanges with this method and status; ``taken`` and ``given`` in bytes."""
        self._requests[method if method in METHODS else OTHER, status] += number
        self._bytes_in += taken
        self._bytes_out += given

    def add_odd(self, exchange: Exchange, spent: Times, at: float) -> None:
        """One exchange that may have failed; it ended ``at``, a time of day."""
        record = exchange.record
        self.count(exchange.method, exchange.status, 1, exchange.bytes_in, exchange.bytes_out)
        if exchange.error:
            if record.clock:
                self._clocks[record.clock] += 1
            if record.refused:
                self._refused[record.refused] += 1
        self.add([() if took is None else (took,) for took in spent], exchange, spent, at)

    def describe(self, labels: Labels) -> Iterator[Sample]:
        """``labels``: its route and upstream."""
        for (method, status), number in self._requests.items():
            told = {**labels, "method": method, "status": str(status)}
            yield counter("requests", number, told)
        for clock, number in self._clocks.items():
            yield counter("timeouts", number, {**labels, "clock": clock})
        for reason, number in self._refused.items():
            yield counter("refusals", number, {**labels, "reason": reason})
        yield counter("request_bytes", self._bytes_in, labels)
        yield counter("response_bytes", self._bytes_out, labels)
        for phase, histogram in zip(TIMES, self._times, strict=True):
            if phase in ALWAYS or not histogram.is_nothing:
                yield from histogram.describe(f"time_{phase}", labels)
