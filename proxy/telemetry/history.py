"""What has happened: an hour by seconds, a day by minutes, and what stood out. In memory only.

It has at most ``BUDGET`` bytes. Each second, and each minute, is kept in an encoded form that grows
with the number of routes and servers that had calls in it. Where that is more than its part of the
budget holds, the oldest seconds go first: then they reach back less than an hour. The calls are
kept encoded too, for the same reason: their size is known.
"""

from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

import msgspec

from proxy.telemetry.buckets import add
from proxy.telemetry.call import Call
from proxy.telemetry.episodes import Episodes
from proxy.telemetry.phases import NAMES
from proxy.telemetry.second import Cell, Event, Second

SECONDS: Final = 3600
MINUTES: Final = 1440
CALLS: Final = 500
"""Calls that were slow or failed, half of them each."""
EVENTS: Final = 300
BUDGET: Final = 4 << 20
"""Bytes in all."""
_FOR_SECONDS: Final = BUDGET * 7 // 16
_FOR_MINUTES: Final = BUDGET * 3 // 16
_FOR_CALLS: Final = BUDGET * 2 // 16
"""What is left of the budget is for episodes, events, names and calls in flight."""
SERIES: Final = 200
"""Routes and servers that are told apart over time; more are one, until nothing is kept any more of
one of those."""
_OVERHEAD: Final = 128
"""Bytes that a kept ``bytes`` costs beside its contents: its head, its time, a tuple, a place."""

_encode: Final = msgspec.msgpack.Encoder().encode
_json: Final = msgspec.json.Encoder().encode
_Row = tuple[int, int, int, int, int, int, list[int], list[int], int, int]
"""Number of the series, calls, failed, denied, bytes in, bytes out, milliseconds of each phase,
numbers of buckets and their counts in turn, covered and besides (see ``telemetry/second.Cell``)."""
_Up = tuple[int, int, int, int]
"""Number of the series, of the phase, of exchanges in flight, milliseconds of the oldest."""
_decode: Final = msgspec.msgpack.Decoder(tuple[list[_Row], list[_Up]]).decode


class Ring:
    """The latest encoded things, as many as a number and a size allow."""

    __slots__ = ("_most", "_room", "items", "size")

    def __init__(self, most: int, room: int) -> None:
        self._most, self._room = most, room
        self.items: deque[tuple[float, bytes]] = deque()
        """When each ended, in seconds since 1970, and what it was."""
        self.size = 0

    def add(self, at: float, item: bytes) -> None:
        """The newest."""
        self.items.append((at, item))
        self.size += len(item) + _OVERHEAD
        while len(self.items) > self._most or self.size > self._room:
            _, old = self.items.popleft()
            self.size -= len(old) + _OVERHEAD


class History:
    """Adds up seconds."""

    __slots__ = (
        "_cells",
        "_minute",
        "_seen",
        "_series",
        "episodes",
        "events",
        "failed",
        "in_flight",
        "minutes",
        "seconds",
        "series",
        "slow",
        "started",
    )

    def __init__(self, started: float) -> None:
        """``started``: when the proxy was, in seconds since 1970."""
        self.started = started
        self.seconds = Ring(SECONDS, _FOR_SECONDS)
        self.minutes = Ring(MINUTES, _FOR_MINUTES)
        self.failed = Ring(CALLS // 2, _FOR_CALLS // 2)
        self.slow = Ring(CALLS // 2, _FOR_CALLS // 2)
        self.events: deque[Event] = deque(maxlen=EVENTS)
        self.episodes = Episodes()
        self.in_flight: list[Call] = []
        self._series: dict[tuple[str, str, str], int] = {}
        self._seen: list[float] = []
        """When each of them, by its number, had something to do last."""
        self.series: list[tuple[str, str, str]] = []
        """Route, upstream and server of each number that ``between`` gives."""
        self._cells: dict[tuple[str, str, str], Cell] = {}
        self._minute = 0

    @property
    def at(self) -> float:
        """The end of the newest second; 0 before there is one."""
        return self.seconds.items[-1][0] if self.seconds.items else 0.0

    @property
    def size(self) -> int:
        """Bytes of what is kept in rings."""
        return self.seconds.size + self.minutes.size + self.failed.size + self.slow.size

    def add(self, second: Second) -> None:
        """The newest second."""
        minute = int(second.at // 60)
        if minute != self._minute and self._cells:
            self.minutes.add(
                self._minute * 60.0 + 60.0, self._encoded(self._cells.values(), self.at)
            )
            self._cells = {}
        self._minute = minute
        ups = [
            (
                self._number(each, second.at),
                NAMES.index(each.phase),
                each.number,
                round(each.oldest * 1000),
            )
            for each in second.flying
        ]
        self.seconds.add(second.at, self._encoded(second.cells, second.at, ups))
        for cell in second.cells:
            self._merge(cell)
        for call in second.kept:
            (self.failed if call.failed else self.slow).add(second.at, _json(call))
        self.in_flight = second.in_flight
        self.events.extend(second.events)
        well = {
            cell.route
            for cell in second.cells
            if cell.server and cell.calls + cell.besides > cell.failed + cell.covered
        }
        self.episodes.add(second.hits, second.at, well)

    def between(self, since: float, step: float) -> list[dict[str, Any]]:
        """Sums of ``step`` seconds from then on, the oldest first, less those without traffic.

        ``rows``: [series, calls, failed, denied, bytes in, bytes out, ms of each phase, counts of
        buckets by number, covered, besides], see ``telemetry/second.Cell``. ``flying``: [series,
        phase, number, ms of the oldest], the most of any second. Seconds are used as far as they
        reach back, minutes before.
        """
        steps: dict[float, tuple[dict[int, Any], dict[tuple[int, int], list[int]]]] = {}
        oldest = self.seconds.items[0][0] if self.seconds.items else since
        for items, begin, end in (
            (list(self.minutes.items), since, oldest),
            (list(self.seconds.items), since, float("inf")),
        ):
            for at, item in items:
                if item and begin < at <= end:
                    rows, ups = _decode(item)
                    sums, flying = steps.setdefault(at // step * step, ({}, {}))
                    _sum(sums, rows)
                    for number, phase, count, age in ups:
                        known = flying.setdefault((number, phase), [0, 0])
                        known[:] = [max(known[0], count), max(known[1], age)]
        return [
            {
                "at": at,
                "rows": list(sums.values()),
                "flying": [[*key, *value] for key, value in flying.items()],
            }
            for at, (sums, flying) in sorted(steps.items())
        ]

    def calls(self) -> Iterable[bytes]:
        """Those that were slow or failed, as JSON, the newest first."""
        kept = [*self.failed.items, *self.slow.items]
        return (item for _, item in sorted(kept, key=lambda each: each[0], reverse=True))

    def _number(self, of: Any, at: float) -> int:
        """Of what had something to do in a second that ended ``at``."""
        key = (of.route, of.upstream, of.server)
        number = self._series.get(key)
        if number is None:
            number = self._place(key)
        self._seen[number] = at
        return number

    def _place(self, key: tuple[str, str, str]) -> int:
        """That of a new one: a free one, or one of which nothing is kept any more."""
        number = len(self._series)
        if number >= SERIES:
            number = min(range(SERIES), key=self._seen.__getitem__)
            if self._seen[number] >= self._reaches_back_to:
                number, key = SERIES, ("other", "", "")
            else:
                del self._series[self.series[number]]
        self.series[number : number + 1] = [key]
        self._seen[number : number + 1] = [0.0]
        if number < SERIES:
            self._series[key] = number
        return number

    @property
    def _reaches_back_to(self) -> float:
        """The beginning of the oldest that is kept."""
        kept = ((self.seconds.items, 1.0), (self.minutes.items, 60.0))
        return min([items[0][0] - span for items, span in kept if items], default=0.0)

    def _encoded(self, cells: Iterable[Cell], at: float, ups: Iterable[_Up] = ()) -> bytes:
        rows = [
            (
                self._number(cell, at),
                cell.calls,
                cell.failed,
                cell.denied,
                cell.bytes_in,
                cell.bytes_out,
                [round(seconds * 1000) for seconds in cell.phases],
                [each for pair in cell.counts.items() for each in pair],
                cell.covered,
                cell.besides,
            )
            for cell in cells
        ]
        ups = list(ups)
        return _encode((rows, ups)) if rows or ups else b""

    def _merge(self, cell: Cell) -> None:
        key = (cell.route, cell.upstream, cell.server)
        known = self._cells.get(key)
        if known is None:
            if len(self._cells) >= SERIES:
                key = ("other", "", "")
            known = self._cells.setdefault(key, Cell(*key, 0, 0, 0, 0, 0, [0.0] * len(NAMES), {}))
        known.calls += cell.calls
        known.failed += cell.failed
        known.denied += cell.denied
        known.covered += cell.covered
        known.besides += cell.besides
        known.bytes_in += cell.bytes_in
        known.bytes_out += cell.bytes_out
        known.phases = [a + b for a, b in zip(known.phases, cell.phases, strict=True)]
        add(known.counts, cell.counts.items())


def _sum(sums: dict[int, Any], rows: list[_Row]) -> None:
    for number, *counts, spent, pairs, covered, besides in rows:
        known = sums.get(number)
        if known is None:
            known = sums[number] = [number, 0, 0, 0, 0, 0, [0] * len(NAMES), {}, 0, 0]
        for index, count in enumerate(counts, 1):
            known[index] += count
        known[6] = [a + b for a, b in zip(known[6], spent, strict=True)]
        add(known[7], zip(islice(pairs, 0, None, 2), islice(pairs, 1, None, 2), strict=True))
        known[8] += covered
        known[9] += besides
