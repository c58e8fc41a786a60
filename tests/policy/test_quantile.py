"""How long something takes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize("quantile", [0.5, 0.95])
def test_equal_ones_are_told_apart_by_nobody(quantile: float) -> None:
    known = Quantiles(size=20)
    for _ in range(50):
        known.observe(0.25, 1.0)
    assert known.value(quantile, 1.0) == 0.25
