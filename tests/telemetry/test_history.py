"""An hour by seconds, a day by minutes, in a bounded space."""

import random
import tracemalloc

import pytest

from proxy.telemetry.buckets import bucket
from proxy.telemetry.history import (
    BUDGET,
    CALLS,
    EVENTS,
    MINUTES,
    SECONDS,
    SERIES,
    History,
    Ring,
)
from proxy.telemetry.second import Event, Flying, Hit
from tests.support.seconds import SERVER, call, cell, second


def test_seconds_are_added_up_in_steps() -> None:
    history = History(0.0)
    for at in range(600, 620):
        history.add(second(at + 0.5, cell(2, failed=1, bytes_out=10), cell(1, route="/v2")))
    [first, last] = history.between(600.0, 10.0)
    assert history.series == [("/v1", "api", SERVER), ("/v2", "api", SERVER)]
    assert (first["at"], last["at"]) == (600.0, 610.0)
    assert first["rows"] == [
        [0, 20, 10, 0, 0, 100, [0, 0, 0, 0, 10_000, 0], {bucket(0.5): 20}, 0, 0],
        [1, 10, 0, 0, 0, 0, [0, 0, 0, 0, 5_000, 0], {bucket(0.5): 10}, 0, 0],
    ]
    assert [step["at"] for step in history.between(614.9, 1.0)] == [615, 616, 617, 618, 619]


def test_what_was_in_flight_is_the_most_of_any_second() -> None:
    history = History(0.0)
    for at, number in ((600.5, 3), (601.5, 9), (602.5, 4)):
        up = Flying("/v1", "api", SERVER, "connect", number, number / 10)
        history.add(second(at, flying=[up]))
    [step] = history.between(600.0, 10.0)
    assert step["flying"] == [[0, 3, 9, 900]]


def test_minutes_reach_back_further_than_seconds() -> None:
    history = History(0.0)
    for at in range(3 * 3600):
        history.add(second(at + 0.5, cell()))
    steps = history.between(-1.0, 3600.0)
    assert sum(row[1] for step in steps for row in step["rows"]) == pytest.approx(3 * 3600, abs=60)
    assert len(history.seconds.items) == SECONDS


def test_seconds_in_which_nothing_happened_cost_nothing() -> None:
    history = History(0.0)
    for at in range(7200):
        history.add(second(at + 0.5))
    assert history.size == SECONDS * 128


def test_calls_are_given_the_newest_first_and_failures_do_not_drive_out_slow_ones() -> None:
    history = History(0.0)
    for number in range(2 * CALLS):
        history.add(second(number + 0.5, kept=[call(number, failed=number > 10)]))
    ids = [each.split(b'"', 4)[3] for each in history.calls()]
    assert ids[0] == b"r%d" % (2 * CALLS - 1)
    assert ids[-11:] == [b"r%d" % number for number in range(10, -1, -1)]
    assert len(ids) == CALLS // 2 + 11


def test_servers_beyond_a_number_are_one() -> None:
    history = History(0.0)
    for number in range(2 * SERIES):
        history.add(second(number + 0.5, cell(server=f"http://{number}")))
    assert len(history.series) == SERIES + 1
    assert history.series[-1] == ("other", "", "")
    steps = history.between(-1.0, 3600.0)
    rows = {row[0]: row[1] for step in steps for row in step["rows"]}
    assert rows[SERIES] == SERIES


def test_a_new_server_has_the_place_of_one_of_which_nothing_is_kept() -> None:
    """Addresses of a name change for months: all that came later would be one for good."""
    history = History(0.0)
    at = 0.5
    for number in range(SERIES):
        history.add(second(at := at + 1, cell(server=f"http://{number}")))
    first = history.series[0]
    for _ in range(SECONDS):  # the first one goes on, for so long that minutes reach back no more
        history.add(second(at := at + 60, cell(server="http://0")))
    history.add(second(at := at + 60, cell(server="http://new")))
    assert len(history.series) == SERIES
    assert history.series[:2] == [first, ("/v1", "api", "http://new")]
    [step] = history.between(at - 30, 10.0)
    assert [row[:2] for row in step["rows"]] == [[1, 1]]
    for number in range(SERIES):  # those of now are known: there is no place for further ones
        history.add(second(at := at + 1, cell(server=f"http://later-{number}")))
    assert history.series[SERIES:] == [("other", "", "")]
    steps = history.between(0.0, 1e9)
    counted = {history.series[row[0]][2]: row[1] for step in steps for row in step["rows"]}
    assert counted["http://new"] == 1
    assert counted[""] == 2
    assert "http://1" not in counted


def test_a_server_keeps_its_place_while_a_minute_tells_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("proxy.telemetry.history.SERIES", 2)
    history = History(0.0)
    history.add(second(0.5, cell(server="http://old")))
    for number in range(1, SECONDS + 120):
        history.add(second(number + 0.5, cell(server="http://goes-on")))
    history.add(second(SECONDS + 120.5, cell(server="http://new")))
    steps = history.between(-1.0, 1e9)
    counted = {history.series[row[0]][2]: row[1] for step in steps for row in step["rows"]}
    assert (counted["http://old"], counted[""]) == (1, 1)


def test_a_ring_keeps_to_its_number_and_its_room() -> None:
    ring = Ring(5, 1000)
    for at in range(100):
        ring.add(at, b"x" * 50)
    assert (len(ring.items), ring.size) == (5, 890)
    ring.add(100.0, b"x" * 500)
    assert ring.size <= 1000
    assert ring.items[-1] == (100.0, b"x" * 500)


def test_ten_hours_of_traffic_stay_within_the_budget_and_grow_nothing() -> None:
    """Of 40 servers, each busy in each second, with floods of failures with long texts."""
    rng = random.Random(5)
    places = [(f"/route/{n % 8}", "api", f"http://10.0.0.{n}:9000") for n in range(40)]
    cells = [
        cell(
            50,
            route=route,
            server=server,
            failed=3,
            bytes_out=123_456_789,
            phases=[rng.random() * 100 for _ in range(6)],
            counts={rng.randrange(90): rng.randrange(1, 99) for _ in range(12)},
        )
        for route, _, server in places
    ]
    flying = [Flying(*place, "first_byte", 3, 1.5) for place in places]
    calls = [call(number, failed=bool(number % 2), long=True) for number in range(8)]
    hits = [Hit("first_byte", *place, 5, 2.0, "r1", 0.1) for place in places]
    events = [Event(at=1.0, kind="breaker", text="x" * 80)]
    history = History(0.0)
    sizes = []
    tracemalloc.start()
    try:
        for hour in range(10):
            for at in range(0, 3600, 10):  # a tenth of the seconds, for the test's own time
                now = hour * 3600.0 + at + 0.5
                some = hits if at % 600 < 60 else []
                history.add(
                    second(now, *cells, flying=flying, kept=calls, hits=some, events=events)
                )
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert history.size <= BUDGET
    assert sizes[-1] <= BUDGET
    assert max(sizes[3:]) - min(sizes[3:]) < BUDGET / 10
    assert len(history.events) == EVENTS
    assert len(history.minutes.items) <= MINUTES
    assert len(list(history.calls())) <= CALLS
