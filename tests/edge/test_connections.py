"""What is counted at a listener, and who is told when it has ended."""

import asyncio
from collections.abc import AsyncIterator
from math import inf
from typing import Any, cast

import pytest

from proxy.core.errors import ConnectionLimit, EndedByOperator, ShuttingDown
from proxy.core.exchange import Exchange
from proxy.edge.connections import ConnectionTracker, UnderWay
from tests.support.loop import get

PATIENCE = 30.0
NOW = 100.0


class Client:
    """A connection as a drain sees it."""

    def __init__(self, served: Exchange | None = None, **states: bool) -> None:
        self.served = served
        self.unfinished = states.get("unfinished", True)
        self.resting = states.get("resting", False)
        self.expired = 0
        self.closed = False

    @property
    def clock(self) -> "Client":
        return self

    @property
    def since(self) -> float:
        return 0.0 if self.resting else inf

    def give_way(self) -> bool:
        self.closed = True
        return True

    def retire(self) -> None:
        """Nothing to do."""

    def expire(self) -> None:
        self.expired += 1


def endless() -> Exchange:
    exchange = get()
    exchange.endless = True
    return exchange


@pytest.fixture
async def tracker() -> AsyncIterator[ConnectionTracker]:
    made = ConnectionTracker(2)
    yield made
    made.close()


def add(tracker: ConnectionTracker, *clients: Any) -> None:
    tracker.connections.update(clients)


@pytest.mark.parametrize(
    ("clients", "tunnels", "left"),
    [
        ([], 0, UnderWay(0, 0, 0)),
        ([Client(get()), Client(get())], 0, UnderWay(2, 0, 0)),
        ([Client(endless())], 0, UnderWay(0, 1, 0)),
        ([Client(get())], 1, UnderWay(0, 0, 1)),
        ([Client(resting=True)], 0, UnderWay(0, 0, 0)),
        ([Client()], 0, UnderWay(1, 0, 0)),  # its head is coming
        ([Client(unfinished=False)], 0, UnderWay(0, 0, 0)),
    ],
)
async def test_what_would_be_cut(
    tracker: ConnectionTracker, clients: list[Client], tunnels: int, left: UnderWay
) -> None:
    add(tracker, *clients)
    tracker.tunnels.update(cast(Any, range(tunnels)))
    assert tracker.under_way == left


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (UnderWay(0, 0, 0), "nothing"),
        (UnderWay(1, 0, 0), "1 request"),
        (UnderWay(2, 1, 0), "2 requests and 1 stream of events"),
        (UnderWay(1, 2, 3), "1 request, 2 streams of events and 3 tunnels"),
        (UnderWay(0, 0, 1), "1 tunnel"),
    ],
)
def test_what_would_be_cut_in_words(left: UnderWay, words: str) -> None:
    assert str(left) == words


async def test_at_its_limit_an_idle_one_makes_room_or_nobody_is_let_in(
    tracker: ConnectionTracker,
) -> None:
    busy, idle = Client(), Client(resting=True)
    add(tracker, busy)
    assert tracker.make_room(NOW) is None
    add(tracker, idle)
    assert tracker.make_room(NOW) is None
    assert (idle.closed, tracker.evicted) == (True, 1)
    assert tracker.connections == {busy}
    assert tracker.refused == {idle}  # it has a descriptor until it is lost
    tracker.disconnected(idle)
    assert not tracker.refused
    add(tracker, Client())
    assert isinstance(tracker.make_room(NOW), ConnectionLimit)


async def test_a_lower_limit_holds_as_soon_as_enough_are_idle(tracker: ConnectionTracker) -> None:
    idle = [Client(resting=True) for _ in range(4)]
    add(tracker, *idle)
    assert tracker.make_room(NOW) is None
    assert len(tracker.connections) == 1


async def test_whoever_waits_is_told_when_the_last_connection_has_ended(
    tracker: ConnectionTracker,
) -> None:
    one, other = Client(), Client()
    add(tracker, one, other)
    emptied = asyncio.ensure_future(tracker.emptied(PATIENCE))
    await asyncio.sleep(0)
    tracker.disconnected(one)
    await asyncio.sleep(0)
    assert not emptied.done()
    tracker.disconnected(other)
    assert await emptied
    assert await tracker.emptied(0)


async def test_those_that_do_not_end_in_time_are_cut(tracker: ConnectionTracker) -> None:
    asked, idle = get(), Client()
    one = Client(asked)
    add(tracker, one, idle)
    assert not await tracker.emptied(0.001)
    tracker.expire()
    assert (one.expired, idle.expired) == (1, 1)
    assert isinstance(asked.ended_by, ShuttingDown)


async def test_an_operator_ends_one_exchange_by_its_id(tracker: ConnectionTracker) -> None:
    asked, other = get(), get()
    asked.request_id, other.request_id = "a", "b"
    one = Client(asked)
    add(tracker, one, Client(other))
    assert tracker.cancel("a")
    assert not tracker.cancel("c")
    assert (one.expired, other.ended_by) == (1, None)
    tracker.expire()
    assert isinstance(asked.ended_by, EndedByOperator)  # as before


async def test_observers_are_told_of_each_end_once() -> None:
    told: list[tuple[Exchange, float]] = []
    tracker = ConnectionTracker(1, (lambda exchange, at: told.append((exchange, at)),))
    first, second = get(), get()
    tracker.in_flight = 1
    tracker.finished(first, 1.0)
    tracker.record(second, 2.0)
    assert told == [(first, 1.0), (second, 2.0)]
    assert tracker.in_flight == 0
    tracker.close()
