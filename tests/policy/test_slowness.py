"""Which servers are slow beside the others."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.slowness import RunningMedian, shares


def usual(seconds: float, sigma: float = 0.5, answers: int = 200, seed: int = 1) -> RunningMedian:
    rng, found = random.Random(seed), RunningMedian()
    for _ in range(answers):
        found.observe(seconds * rng.lognormvariate(0, sigma))
    return found


@pytest.mark.parametrize("sigma", [0.1, 0.5])
def test_it_is_about_the_median(sigma: float) -> None:
    assert usual(3.0, sigma).seconds == pytest.approx(3.0, rel=0.7)


def test_a_few_stalls_do_not_make_a_server_slow() -> None:
    found = usual(0.05)
    before = found.seconds
    for _ in range(3):
        found.observe(60.0)
    assert found.seconds < before * 1.6


def test_failures_make_one_slow_however_fast_they_are() -> None:
    found = usual(0.05)
    for _ in range(30):
        found.failed()
    assert found.seconds > 0.5


def test_equal_servers_keep_nearly_all_of_their_shares() -> None:
    times = [usual(0.2, 0.5, seed=seed) for seed in range(20)]
    assert min(shares(times, 0.05)) > 0.7
    assert sum(shares(times, 0.05)) > 19


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0.04, 0.04, 0.16], [1, 1, 0.25]),
        ([0.04, 0.04, 2.0], [1, 1, 0.05]),
        ([0.04, 0.07], [1, 1]),
        ([0.04, 0.4], [1, 0.05]),
        ([0.04, 2.0, 2.0], [1, 0.05, 0.05]),
        ([5.0], [1]),
        ([], []),
    ],
)
def test_the_slow_get_less_down_to_the_floor(times: list[float], expected: list[float]) -> None:
    assert shares([usual(each, 0.0) for each in times], 0.05) == pytest.approx(expected, rel=0.45)


def test_nothing_is_said_of_what_is_hardly_known() -> None:
    assert shares([usual(0.04), usual(0.04), usual(9.0, answers=9)], 0.05) == [1, 1, 1]


@given(st.lists(st.floats(0.001, 100.0), max_size=8), st.floats(0.01, 1.0))
def test_the_fastest_gets_all_and_none_gets_nothing(times: list[float], floor: float) -> None:
    known = [usual(each, 0.0) for each in times]
    found = shares(known, floor)
    assert all(floor <= share <= 1 for share in found)
    if known:
        fastest = min(range(len(known)), key=lambda at: known[at].seconds)
        assert found[fastest] == 1


def test_three_in_a_row_that_were_not_waited_for_say_that_it_hangs() -> None:
    known, fresh = usual(0.05), RunningMedian()
    for hung in (known, fresh):
        for waited in (2.0, 3.0):
            hung.unanswered(waited)
        assert shares([usual(0.05), hung], 0.05)[1] > 0.5
        hung.unanswered(2.5)
        assert shares([usual(0.05), hung], 0.05) == [1, 0.05]
        hung.observe(0.05)
    assert shares([usual(0.05), known], 0.05)[1] > 0.5
    assert shares([usual(0.05), fresh], 0.05)[1] == 1


def test_what_nobody_waited_for_makes_no_other_server_slow() -> None:
    hurried = RunningMedian()
    for _ in range(20):
        hurried.unanswered(0.001)
    assert shares([usual(0.5), hurried, usual(0.5)], 0.05) == pytest.approx([1, 1, 1], rel=0.3)
