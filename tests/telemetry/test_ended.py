"""Exchanges that have ended, gathered."""

import pytest

from proxy.core.body import BytesBody
from proxy.core.exchange import Exchange
from proxy.core.record import Attempt
from proxy.telemetry.ended import MANY, Alike, Ended
from proxy.telemetry.phases import Phases, phases
from tests.support.ended import SERVER, ended


class Told:
    """Somebody who counts."""

    def __init__(self) -> None:
        self.alike: list[Alike] = []
        self.odd: list[tuple[Exchange, Phases, float]] = []

    def count(self, alike: Alike, behind: float) -> None:
        assert behind == 2000.0
        self.alike.append(alike)

    def count_odd(self, exchange: Exchange, spent: Phases, now: float, behind: float) -> None:
        assert behind == 2000.0
        self.odd.append((exchange, spent, now))


def gathering() -> tuple[Ended, Told]:
    gathered, told = Ended(lambda: 100.0, lambda: 2100.0), Told()
    gathered.tell(told)
    return gathered, told


def test_plain_ones_that_are_alike_are_told_column_by_column() -> None:
    gathered, told = gathering()
    first = ended(1.0, queue=0.1, connect=0.2, head_at=0.7, bytes_in=3, bytes_out=5)
    second = ended(0.5, head_at=0.25, bytes_out=7)
    gathered.record(first, 1.0)
    gathered.record(ended(status=404), 1.0)
    gathered.record(second, 0.5)
    assert told.alike == []
    gathered.flush()
    both, other = told.alike
    assert both[:5] == ("/v1", "api", SERVER, "GET", 200)
    assert (both.exchanges, both.ended_at) == ([first, second], [1.0, 0.5])
    assert (both.queue, both.connect) == ([0.1, 0.0], [0.2, 0.0])
    assert both.first_byte == pytest.approx([0.4, 0.25])
    assert both.body == pytest.approx([0.3, 0.25])
    assert (both.total, both.bytes_in, both.bytes_out) == ([1.0, 0.5], 3, 12)
    assert (other.status, told.odd) == (404, [])
    gathered.flush()
    assert len(told.alike) == 2


def test_they_are_told_when_there_are_many() -> None:
    gathered, told = gathering()
    for _ in range(MANY):
        assert told.alike == []
        gathered.record(ended(), 1.0)
    assert len(told.alike[0].total) == MANY


@pytest.mark.parametrize(
    "odd",
    [
        ended(1.0, stalled=lambda _: 0.5, head_at=0.25),
        ended(1.0, head=0.5),
        ended(1.0, connect=None, error="connection_refused", status=502),
        ended(1.0, asked=0, connect=None),
        ended(1.0, asked=2, head_at=0.75, tries=(Attempt("a", "503", 0.25, 0.1),) * 2),
        ended(1.0, status=101),
        ended(1.0, error="http_response_incomplete"),
    ],
    ids=["slow client", "slow head", "failed", "not asked", "tried again", "tunnel", "broken"],
)  # fmt: skip
def test_others_are_told_one_by_one_with_what_their_time_went_on(odd: Exchange) -> None:
    gathered, told = gathering()
    expected = phases(odd, 1.0)
    gathered.record(odd, 1.0)
    odd.stalled = None  # as its service forgets it
    gathered.flush()
    assert (told.odd, told.alike) == ([(odd, expected, 1.0)], [])


def test_one_whose_attempt_came_to_something_else_is_told_by_itself() -> None:
    """A fixed reply that has the status of what it stands in for, for example."""
    gathered, told = gathering()
    odd = ended(1.0)
    odd.record.outcome = "connect-failure"
    gathered.record(odd, 1.0)
    gathered.flush()
    assert ([each for each, *_ in told.odd], told.alike) == ([odd], [])


def test_one_whose_body_was_there_at_once_is_plain() -> None:
    gathered, told = gathering()
    gathered.record(ended(body=BytesBody(b"abc", b"")), 1.0)
    gathered.flush()
    assert (len(told.alike), told.odd) == (1, [])


def test_whoever_begins_to_count_is_told_of_what_ends_from_then_on() -> None:
    gathered, told = gathering()
    later = Told()
    gathered.record(ended(), 1.0)
    gathered.tell(later)
    gathered.record(ended(), 1.0)
    gathered.flush()
    assert (len(told.alike), len(later.alike)) == (2, 1)
