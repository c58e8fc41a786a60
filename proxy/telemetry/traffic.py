"""What went through one route to one upstream, and how long it took."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from proxy.core.exchange import Exchange
from proxy.core.samples import Labels, Sample, counter
from proxy.http.request_id import trace_id
from proxy.telemetry.histograms import Histogram
from proxy.telemetry.phases import PHASES, Phases, phases

OTHER: Final = "other"
"""Label of what has no name of its own."""
METHODS: Final = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "QUERY", "CONNECT")
)
"""Those that are told apart: RFC 9110 9.3, PATCH (RFC 5789) and QUERY."""


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
        self._times = tuple(Histogram() for _ in PHASES)
        """In the order of ``PHASES``."""

    def add(
        self, times: Sequence[Sequence[float]], slowest: Exchange, spent: Phases, at: float
    ) -> None:
        """Times of many exchanges by phase, and the slowest of them, which ended ``at``."""
        for histogram, seconds in zip(self._times, times, strict=True):
            if seconds:
                histogram.observe(seconds)
        fields = slowest.headers if slowest.heard is None else slowest.heard
        if trace := trace_id(fields):
            for histogram, took in zip(self._times, spent, strict=True):
                if took is not None:
                    histogram.exemplify(took, trace, at)

    def count(self, method: str, status: int, number: int, taken: int, given: int) -> None:
        """Of so many exchanges with this method and status; ``taken`` and ``given`` in bytes."""
        self._requests[method if method in METHODS else OTHER, status] += number
        self._bytes_in += taken
        self._bytes_out += given

    def add_odd(self, exchange: Exchange, now: float, at: float) -> None:
        """One exchange that may have failed; it ended ``now``, which is ``at`` by time of day."""
        record = exchange.record
        self.count(exchange.method, exchange.status, 1, exchange.bytes_in, exchange.bytes_out)
        if exchange.error:
            if record.clock:
                self._clocks[record.clock] += 1
            if record.refused:
                self._refused[record.refused] += 1
        spent = phases(exchange, now)
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
        for phase, histogram in zip(PHASES, self._times, strict=True):
            yield from histogram.describe(f"time_{phase}", labels)
