"""Requests by the second."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.token_bucket import TokenBuckets


def test_a_burst_and_then_a_rate() -> None:
    tokens = TokenBuckets(rate=2.0, burst=3.0)
    assert [tokens.take("a", 0.0)[0] for _ in range(4)] == [True, True, True, False]
    assert tokens.take("a", 0.0) == (False, 0.5)
    assert tokens.take("a", 0.5)[0]
    assert not tokens.take("a", 0.9)[0]
    assert [tokens.take("a", 100.0)[0] for _ in range(4)] == [True, True, True, False]


def test_clients_do_not_share() -> None:
    tokens = TokenBuckets(rate=1.0, burst=1.0)
    assert tokens.take("a", 0.0)[0]
    assert tokens.take("b", 0.0)[0]
    assert not tokens.take("a", 0.0)[0]


def test_who_has_the_patience_has_a_place_in_the_line() -> None:
    tokens = TokenBuckets(rate=1.0, burst=1.0)
    waits = [tokens.take("a", 0.0, patience=2.0) for _ in range(4)]
    assert waits == [(True, 0.0), (True, 1.0), (True, 2.0), (False, 3.0)]
    tokens.give_back("a")
    assert tokens.take("a", 0.0, patience=2.0) == (True, 2.0)


def test_who_has_not_come_for_long_is_forgotten() -> None:
    tokens = TokenBuckets(rate=1.0, burst=1.0, keys=2)
    for key in ("a", "b", "a", "c"):
        tokens.take(key, 0.0, patience=9.0)
    assert len(tokens) == 2
    assert tokens.take("b", 0.0)[0]
    assert not tokens.take("c", 0.0)[0]


def test_a_part_of_a_request_is_none() -> None:
    tokens = TokenBuckets(rate=0.1, burst=0.1)
    assert tokens.take("a", 0.0)[0]
    assert tokens.take("a", 0.0) == (False, 10.0)
    assert tokens.left("a", 5.0) == 0.5
    assert tokens.lowest(5.0) == {"a": 0.5}


@given(
    st.lists(st.tuples(st.floats(0, 3), st.floats(0, 2)), max_size=200),
    st.floats(0.1, 20),
    st.integers(1, 10),
)
def test_no_more_than_the_burst_and_the_rate_in_any_time(
    steps: list[tuple[float, float]], rate: float, burst: int
) -> None:
    tokens = TokenBuckets(rate, burst)
    now = 0.0
    admitted: list[float] = []
    for gap, patience in steps:
        now += gap
        before = tokens.left("a", now)
        taken, wait = tokens.take("a", now, patience)
        if taken:
            assert wait <= patience + 1e-6
            admitted.append(now + wait)
        else:
            assert tokens.left("a", now) == before, "a refusal costs nothing"
            assert wait > patience
    assert admitted == sorted(admitted), "first come, first served"
    for first in range(len(admitted)):
        for last in range(first, len(admitted)):
            allowed = burst + rate * (admitted[last] - admitted[first])
            assert last - first + 1 <= allowed + 1e-3


def test_what_was_used_counts_at_another_rate_and_is_given_back_at_that() -> None:
    tokens = TokenBuckets(rate=1.0, burst=10.0)
    assert all(tokens.take("a", 0.0)[0] for _ in range(10))
    tokens.follow(10.0, 10.0, 0.0)
    assert not tokens.take("a", 0.0)[0]
    assert tokens.take("a", 0.1)[0]
    assert not tokens.take("a", 0.1)[0]
    tokens.follow(10.0, 20.0, 0.1)  # ten more at once
    assert [tokens.take("a", 0.1)[0] for _ in range(11)] == [True] * 10 + [False]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((1000.0, 1000.0), (10.0, 10.0)),
        ((10.0, 500.0), (10.0, 10.0)),  # the burst alone
        ((10.0, 1.0), (1.0, 1.0)),
        ((1.0, 50.0), (10.0, 5.0)),
    ],
)
def test_nobody_is_refused_for_longer_than_one_who_has_used_the_new_burst(
    before: tuple[float, float], after: tuple[float, float]
) -> None:
    tokens = TokenBuckets(*before)
    while tokens.take("a", 0.0)[0]:
        pass
    tokens.follow(*after, 0.0)
    taken, wait = tokens.take("a", 0.0)
    assert not taken
    assert wait == pytest.approx(1 / after[0])
    assert tokens.left("a", after[1] / after[0]) == pytest.approx(after[1])


def test_whoever_comes_at_a_lower_rate_comes_after_the_places_in_the_line() -> None:
    tokens = TokenBuckets(rate=10.0, burst=10.0)
    waits = [tokens.take("a", 0.0, patience=5.0)[1] for _ in range(60)]
    assert waits[-1] == pytest.approx(5.0)
    tokens.follow(1.0, 2.0, 1.0)
    waits = [tokens.take("a", 1.0, patience=9.0)[1] for _ in range(2)]
    assert waits == pytest.approx([4.0 + 1.0, 4.0 + 2.0])
