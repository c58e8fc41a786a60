"""Exchanges that have ended, gathered for those who count them.

They are counted in batches, as the access log writes its lines (docs/decisions/0012), and column
by column: the plain ones of a batch that went to one server with one method and status are one
``Alike``. One by one, all that is counted of them would cost three times as much.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol, TypeAlias

from proxy.core.body import EMPTY
from proxy.core.clock import monotonic, wall
from proxy.core.exchange import Exchange
from proxy.http.upgrade import SWITCHING
from proxy.telemetry.phases import Phases, phases

MANY: Final = 64
"""Exchanges that are counted at once; whoever wants to know has the rest counted."""


_Kind: TypeAlias = tuple[str, str, str, str, int]
"""Route, upstream, endpoint, method, status."""
_Plain: TypeAlias = list[tuple[Exchange, float, float]]
"""Exchanges, when each ended, and when its reply's head came."""


class Alike(NamedTuple):
    """Plain exchanges that have the first five in common.

    Plain: one attempt was answered, its client was told that, nothing failed, and the client was
    never waited for. Times are
    in seconds, in the same order as ``exchanges``.
    """

    route: str
    upstream: str
    endpoint: str
    method: str
    status: int
    exchanges: list[Exchange]
    ended_at: Sequence[float]
    queue: Sequence[float]
    connect: Sequence[float]
    first_byte: Sequence[float]
    """From the connection to the head."""
    body: Sequence[float]
    total: Sequence[float]
    bytes_in: int
    """Of all these exchanges together."""
    bytes_out: int


class Counting(Protocol):
    """An object that counts exchanges that have ended."""

    def count(self, alike: Alike, behind: float) -> None:
        """Several; ``behind``: what has to be added to a time of them to make it one of the day."""

    def count_odd(self, exchange: Exchange, spent: Phases, now: float, behind: float) -> None:
        """Count one exchange of any other kind, which has ended ``now``."""


class Ended:
    """An observer that gathers."""

    __slots__ = ("_clock", "_counting", "_odd", "_plain", "_room", "_wall")

    def __init__(
        self, clock: Callable[[], float] = monotonic, wall: Callable[[], float] = wall
    ) -> None:
        """``clock``: that of the exchanges; ``wall``: the time of day."""
        self._clock = clock
        self._wall = wall
        self._counting: tuple[Counting, ...] = ()
        self._plain: defaultdict[_Kind, _Plain] = defaultdict(list)
        self._odd: list[tuple[Exchange, Phases, float]] = []
        self._room = MANY

    def tell(self, counting: Counting) -> None:
        """Tell this one of all that ends from now on."""
        self.flush()
        self._counting += (counting,)

    def record(self, exchange: Exchange, now: float) -> None:
        """An exchange has ended; ``now`` is monotonic."""
        record, status = exchange.record, exchange.status
        head = record.first_byte_at
        body, stalled = exchange.body, exchange.stalled
        if (
            head is not None
            and not record.head_s
            and record.attempt_count == 1
            and not record.attempt_log
            and not exchange.error
            and record.reply_status == status
            and not record.outcome
            and status != SWITCHING
            and (body is EMPTY or not body.waited(now))
            and (stalled is None or not stalled(now))
        ):
            kind = (exchange.route, record.upstream, record.endpoint, exchange.method, status)
            self._plain[kind].append((exchange, now, head))
        else:  # what is known of its client is forgotten with its body
            self._odd.append((exchange, phases(exchange, now), now))
        self._room -= 1
        if not self._room:
            self.flush()

    def flush(self) -> None:
        """Have those counted that were not."""
        plain, self._plain = self._plain, defaultdict(list)
        odd, self._odd = self._odd, []
        self._room = MANY
        behind = self._wall() - self._clock()
        for kind, those in plain.items():
            alike = _alike(kind, those)
            for each in self._counting:
                each.count(alike, behind)
        for exchange, spent, now in odd:
            for each in self._counting:
                each.count_odd(exchange, spent, now, behind)


def _alike(kind: _Kind, plain: _Plain) -> Alike:
    exchanges = [exchange for exchange, _, _ in plain]
    records = [exchange.record for exchange in exchanges]
    queue = [record.queue_s for record in records]
    connect = [record.connect_s or 0.0 for record in records]
    thought = [head - exchange.started_at for exchange, _, head in plain]
    if any(queue) or any(connect):
        spent = zip(thought, queue, connect, strict=True)
        thought = [max(0.0, before - q - c) for before, q, c in spent]
    return Alike(
        *kind,
        exchanges,
        [now for _, now, _ in plain],
        queue,
        connect,
        thought,
        [now - head for _, now, head in plain],
        [now - exchange.started_at for exchange, now, _ in plain],
        sum([exchange.bytes_in for exchange in exchanges]),
        sum([exchange.bytes_out for exchange in exchanges]),
    )
