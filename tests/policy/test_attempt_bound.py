"""What follows the usual."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.attempt_bound import AttemptBound


def test_nothing_is_bounded_by_what_is_not_known() -> None:
    bound = AttemptBound()
    for number in range(19):
        bound.observe(0.1, float(number))
        assert bound.seconds(float(number)) == math.inf
    bound.observe(0.1, 19.0)
    assert bound.seconds(19.0) == 0.5


def test_what_was_seen_long_ago_counts_no_more() -> None:
    bound = AttemptBound()
    for _ in range(20):
        bound.observe(1.0, 0.0)
    assert bound.seconds(299.0) == pytest.approx(4.0)
    assert bound.seconds(301.0) == math.inf


def test_stalls_among_many_are_cut_and_move_nothing() -> None:
    rng, bound = random.Random(1), AttemptBound()
    for number in range(400):
        if rng.random() < 0.03:
            bound.cut(bound.seconds(0.0) if number > 40 else 0.5, 0.0)
        else:
            bound.observe(0.25, 0.0)
    assert bound.seconds(0.0) == pytest.approx(1.0)


def test_a_bound_that_ends_many_attempts_grows() -> None:
    """Everything takes ten seconds from now on."""
    bound = AttemptBound()
    for _ in range(500):
        bound.observe(0.25, 0.0)
    for _ in range(500):
        if (seconds := bound.seconds(1.0)) < 10:
            bound.cut(seconds, 1.0)
        else:
            bound.observe(10.0, 1.0)
    assert bound.seconds(1.0) > 10


@given(st.lists(st.floats(0.0001, 100.0), min_size=20, max_size=200))
def test_a_bound_leaves_room_for_nearly_all_that_was_seen(times: list[float]) -> None:
    bound = AttemptBound()
    for seconds in times:
        bound.observe(seconds, 0.0)
    within = sum(seconds <= bound.seconds(0.0) for seconds in times)
    assert bound.seconds(0.0) >= 0.5
    assert within >= 0.95 * len(times)
