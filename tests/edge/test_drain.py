"""Where a drain waits, what it ends, and what it says; over sockets in tests/wire/test_drain.py."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable

import pytest

from proxy.core.exchange import Exchange
from proxy.core.samples import Sample
from proxy.edge.connections import ConnectionTracker
from proxy.edge.drain import drain
from tests.edge.test_connections import Client, add, endless
from tests.support.loop import JumpingLoop, get


class Tracked(Client):
    """Counts how often it was told."""

    def __init__(self, served: Exchange | None = None, **states: bool) -> None:
        super().__init__(served, **states)
        self.retired = 0

    def retire(self) -> None:
        self.retired += 1


class Tunnel:
    """Ends a second after it was asked to, with its connection."""

    def __init__(self, tracker: ConnectionTracker, connection: Client, takes: float) -> None:
        self._tracker = tracker
        self._connection = connection
        self._takes = takes

    def close_politely(self, *, unheard: bool = False) -> None:
        asyncio.get_running_loop().call_later(self._takes, self._ended)

    def _ended(self) -> None:
        self._tracker.tunnel_closed(self)
        self._tracker.disconnected(self._connection)

    def describe(self, now: float) -> Iterable[Sample]:
        return ()


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.fixture
async def tracker(
    jumping: JumpingLoop, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[ConnectionTracker]:
    caplog.set_level(logging.INFO)
    made = ConnectionTracker(100)
    yield made
    made.close()


async def test_it_is_over_as_soon_as_the_last_request_is(
    jumping: JumpingLoop, tracker: ConnectionTracker, caplog: pytest.LogCaptureFixture
) -> None:
    client = Tracked(get())
    add(tracker, client)
    jumping.call_later(7, tracker.disconnected, client)
    began = jumping.time()
    assert await drain(tracker, 30)
    assert jumping.time() - began == 7
    assert (client.retired, tracker.draining, tracker.retiring) == (1, True, True)
    assert told(caplog)[0] == "draining: 1 request in flight, up to 30 s"
    assert told(caplog)[1].endswith("nothing was cut")


async def test_a_request_that_takes_longer_is_told_of(
    jumping: JumpingLoop, tracker: ConnectionTracker, caplog: pytest.LogCaptureFixture
) -> None:
    add(tracker, Tracked(get()))
    began = jumping.time()
    assert not await drain(tracker, 30)
    assert jumping.time() - began == 30
    assert told(caplog)[1] == "grace_period of 30 s is over: cutting 1 request"


async def test_without_a_limit_it_takes_as_long_as_it_takes(
    jumping: JumpingLoop, tracker: ConnectionTracker, caplog: pytest.LogCaptureFixture
) -> None:
    client = Tracked(get())
    add(tracker, client)
    jumping.call_later(100_000, tracker.disconnected, client)
    assert await drain(tracker, 0)
    assert told(caplog)[0] == "draining: 1 request in flight, as long as it takes"


async def test_a_stream_of_events_is_ended_and_that_is_no_cut(
    jumping: JumpingLoop, tracker: ConnectionTracker, caplog: pytest.LogCaptureFixture
) -> None:
    add(tracker, Tracked(endless()))
    assert await drain(tracker, 5)
    assert told(caplog)[1] == "grace_period of 5 s is over: ending 1 stream of events"


@pytest.mark.parametrize(("takes", "waited"), [(1.0, 6.0), (60.0, 7.5 + 0.1)])
async def test_tunnels_are_closed_politely_when_the_time_is_over(
    jumping: JumpingLoop, tracker: ConnectionTracker, takes: float, waited: float
) -> None:
    client = Tracked(get())
    add(tracker, client)
    tracker.tunnels.add(Tunnel(tracker, client, takes))
    began = jumping.time()
    assert await drain(tracker, 5)
    assert jumping.time() - began == pytest.approx(waited)


async def test_who_only_rests_misses_nothing(
    jumping: JumpingLoop, tracker: ConnectionTracker
) -> None:
    add(tracker, Tracked(resting=True))
    assert await drain(tracker, 5)
