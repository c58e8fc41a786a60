"""Durations in buckets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.telemetry.buckets import LAST, add, begin, bucket, histogram, quantile


@given(st.floats(0, 7000))
def test_a_duration_lies_in_its_bucket(seconds: float) -> None:
    number = bucket(seconds)
    assert begin(number) <= seconds < begin(number + 1)


@given(st.floats(0.001, 7000))
def test_a_bucket_is_a_quarter_wide_at_most(seconds: float) -> None:
    number = bucket(seconds)
    assert begin(number + 1) <= begin(number) * 1.2500001


def test_what_is_longer_than_all_buckets_is_in_the_last() -> None:
    assert bucket(1e9) == LAST


@given(st.lists(st.floats(0, 20000)))
def test_many_durations_are_counted_as_each_would_be(durations: list[float]) -> None:
    one_by_one: dict[int, int] = {}
    for seconds in durations:
        add(one_by_one, [(bucket(seconds), 1)])
    assert histogram(sorted(durations)) == one_by_one


@pytest.mark.parametrize(("share", "seconds"), [(0.5, 0.1), (0.95, 0.1), (0.99, 2.0), (1.0, 2.0)])
def test_a_quantile_is_read_to_an_eighth(share: float, seconds: float) -> None:
    counts: dict[int, int] = {}
    add(counts, [(bucket(0.1), 97)])
    add(counts, [(bucket(2.0), 2), (bucket(2.0), 1)])
    assert quantile(counts, share) == pytest.approx(seconds, rel=0.13)


def test_nothing_has_no_quantile() -> None:
    assert quantile({}, 0.5) is None
