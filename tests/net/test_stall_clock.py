"""Peers that take what was written to them slowly, or not at all."""

import random

import pytest

from proxy.net.stall_clock import StallClock

TIME = 8.0


def over_at(takes: list[tuple[float, int]], left: int) -> float:
    """When the time of a peer is over that takes so many bytes at these times."""
    clock = StallClock(TIME)
    at = clock.begin(left, 0.0)
    while True:
        now = at
        found = clock.look(left - sum(size for when, size in takes if when <= now), now)
        if found is None:
            return now
        assert found > now
        at = found


def test_a_peer_that_takes_nothing_has_exactly_its_time() -> None:
    assert over_at([], 100) == TIME
    assert over_at([], 0) == TIME


@pytest.mark.parametrize("last", [0.1, 1.9, 2.0, 2.1, 5.5, 7.9, 8.0])
def test_from_when_it_last_took_something_it_has_a_quarter_more_at_the_most(last: float) -> None:
    assert last + TIME <= over_at([(last, 10)], 100) <= last + 1.25 * TIME


def test_a_peer_that_has_taken_all_has_its_time_for_what_comes_then() -> None:
    assert 3.0 + TIME <= over_at([(3.0, 100)], 100) <= 3.0 + 1.25 * TIME


@pytest.mark.parametrize("seed", range(20))
def test_a_slow_peer_never_has_less(seed: int) -> None:
    rng = random.Random(seed)
    takes, at = [], 0.0
    for _ in range(20):
        at += rng.uniform(0.0, TIME - 0.001)
        takes.append((at, 1))
    assert at + TIME <= over_at(takes, 100) <= at + 1.25 * TIME


def test_what_is_written_meanwhile_hides_nothing_that_is_taken_later() -> None:
    clock = StallClock(TIME)
    clock.begin(100, 0.0)
    clock.look(500, 2.0)  # more was written
    assert clock.look(400, 7.0) is not None
    assert clock.look(400, 14.0) is not None
    assert clock.look(400, 15.0) is None
