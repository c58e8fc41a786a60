"""How long something takes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.budget import DepositBudget
from proxy.policy.quantile import Quantiles


@given(
    st.lists(st.floats(0, 100), min_size=20, max_size=200),
    st.floats(0.01, 1.0),
    st.integers(20, 80),
)
def test_it_is_the_quantile_of_the_last_ones(
    seconds: list[float], quantile: float, size: int
) -> None:
    known = Quantiles(window=60, size=size)
    for each in seconds:
        known.observe(each, 1.0)
    kept = sorted(seconds[-size:])
    assert known.value(quantile, 1.0) == kept[max(math.ceil(quantile * len(kept)) - 1, 0)]


def test_few_are_not_enough_and_old_ones_do_not_count() -> None:
    known = Quantiles(window=10)
    for moment in range(19):
        known.observe(1.0, 100.0 + moment / 10)
    assert known.value(0.5, 102.0) is None
    known.observe(2.0, 102.0)
    assert known.value(0.5, 102.0) == 1.0
    assert known.value(1.0, 102.0) == 2.0
    assert known.value(0.5, 111.0) is None


@given(st.lists(st.booleans(), max_size=300), st.floats(0, 50))
def test_extras_are_at_most_a_share_and_a_few(steps: list[bool], percent: float) -> None:
    budget = DepositBudget(percent)
    requests = extras = 0
    for request in steps:
        if request:
            budget.deposit()
            requests += 1
        elif budget.withdraw():
            extras += 1
        assert extras <= requests * percent / 100 + 1 + 1e-6


def test_an_api_that_is_asked_rarely_can_afford_an_extra_too() -> None:
    budget = DepositBudget(5.0)
    assert budget.withdraw()
    assert not budget.withdraw()
    for _ in range(20):
        budget.deposit()
    assert budget.withdraw()
    assert budget.refused == 1


def test_nothing_is_saved_up_for_a_stampede() -> None:
    budget = DepositBudget(5.0, most=3)
    for _ in range(1000):
        budget.deposit()
    assert [budget.withdraw() for _ in range(4)] == [True, True, True, False]


def test_no_share_is_no_extra() -> None:
    budget = DepositBudget(0.0)
    budget.deposit()
    assert not budget.withdraw()


@pytest.mark.parametrize("quantile", [0.5, 0.95])
def test_equal_ones_are_told_apart_by_nobody(quantile: float) -> None:
    known = Quantiles(size=20)
    for _ in range(50):
        known.observe(0.25, 1.0)
    assert known.value(quantile, 1.0) == 0.25
