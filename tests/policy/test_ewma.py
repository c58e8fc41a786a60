"""Up at once, down slowly, and forgotten by and by."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.ewma import Ewma

latencies = st.floats(0.001, 1000)
waits = st.floats(0, 100)


def test_nothing_is_known_at_first() -> None:
    assert Ewma().value(5) == 0


def test_a_peak_counts_at_once_and_a_fast_answer_bit_by_bit() -> None:
    ewma = Ewma(decay=10)
    ewma.observe(1, now=100)
    ewma.observe(5, now=100)
    assert ewma.value(100) == 5
    ewma.observe(1, now=110)
    assert ewma.value(110) == pytest.approx(1 + 4 / math.e)


@given(st.lists(st.tuples(latencies, waits), min_size=1))
def test_an_answer_leaves_it_between_that_answer_and_the_slowest_so_far(
    answers: list[tuple[float, float]],
) -> None:
    ewma = Ewma()
    now = slowest = 0.0
    for seconds, wait in answers:
        now += wait
        slowest = max(slowest, seconds)
        ewma.observe(seconds, now)
        assert seconds <= ewma.value(now) <= slowest * (1 + 1e-9)


@given(latencies, waits, waits)
def test_it_fades_while_nobody_asks(seconds: float, wait: float, longer: float) -> None:
    ewma = Ewma(decay=10)
    ewma.observe(seconds, now=0)
    assert ewma.value(wait + longer) <= ewma.value(wait) <= seconds
    assert ewma.value(10) == pytest.approx(seconds / math.e)


def test_it_counts_again_in_full_as_soon_as_somebody_asks() -> None:
    ewma = Ewma(decay=10)
    ewma.observe(3, now=0)
    assert ewma.value(1000) < 1e-9
    ewma.asked(now=1000)
    assert ewma.value(1000) == 3


def test_to_ask_is_no_observation() -> None:
    asked, alone = Ewma(), Ewma()
    for ewma in asked, alone:
        ewma.observe(3, now=0)
    asked.asked(now=15)
    for ewma in asked, alone:
        ewma.observe(1, now=16)
    assert asked.value(16) == alone.value(16)


@given(st.floats(0.001, 100), st.integers(1, 6))
def test_failures_in_a_row_are_each_twice_as_slow_as_the_last(seconds: float, row: int) -> None:
    ewma = Ewma()
    for _ in range(row):
        ewma.penalise(now=0, seconds=seconds)
    assert ewma.value(0) == pytest.approx(seconds * 2 ** (row - 1))


def test_an_answer_ends_the_row() -> None:
    ewma = Ewma(decay=10)
    for _ in range(100):  # one in two fails, for a long time
        ewma.penalise(now=0, seconds=1)
        ewma.observe(0.01, now=0)
    assert ewma.value(0) == pytest.approx(1)


def test_failures_do_not_add_up_for_ever() -> None:
    ewma = Ewma(decay=10)
    for _ in range(10_000):
        ewma.penalise(now=0, seconds=1)
    ewma.observe(0.01, now=150)
    assert ewma.value(150) < 0.02


def test_a_failure_slower_than_all_penalties_counts_as_long_as_it_took() -> None:
    ewma = Ewma()
    ewma.penalise(now=0, seconds=3600)
    assert ewma.value(0) == 3600


def test_a_time_from_before_changes_nothing_for_the_better() -> None:
    ewma = Ewma()
    ewma.observe(3, now=10)
    assert ewma.value(9) == 3
    ewma.observe(1, now=9)
    assert ewma.value(9) == 3


@pytest.mark.parametrize(("row", "rest"), [(1, 5), (2, 10), (3, 20), (9, 60)])
def test_what_failures_have_added_counts_for_a_while_only(row: int, rest: float) -> None:
    ewma = Ewma(decay=10)
    ewma.observe(0.001, now=100)
    for _ in range(row):
        ewma.penalise(now=100, seconds=1)
    assert ewma.value(100 + rest - 0.1) > 0.1
    assert ewma.value(100 + rest) == pytest.approx(0.001 * math.exp(-rest / 10))


def test_what_answers_have_said_meanwhile_stays() -> None:
    ewma = Ewma(decay=10)
    ewma.penalise(now=100, seconds=1)
    ewma.observe(0.3, now=104)
    assert ewma.value(105) == pytest.approx(0.3 * math.exp(-0.1))


def test_a_server_that_has_only_failed_is_as_one_of_which_nothing_is_known() -> None:
    ewma = Ewma()
    ewma.penalise(now=0, seconds=1)
    assert ewma.value(5) == 0
