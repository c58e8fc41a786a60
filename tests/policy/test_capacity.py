"""What is believed of an API after rounds of its times."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.policy.capacity import Capacity


def ask(capacity: Capacity, limit: float, sustained: float, usual: float = 0.0) -> None:
    """A round without noise at this limit, of an API that shares itself among all and degrades."""
    slower = 1.5 * max(math.log(limit / sustained), 0.0)
    capacity.observe(limit, usual + slower, 0.03)


def found(sustained: float, noise: float, rounds: int, seed: int = 1) -> float:
    """What is best after so many rounds, each at what was best before it."""
    rng, capacity, limit = random.Random(seed), Capacity(4, 1000), 16.0
    for number in range(rounds):
        asked = limit * (1.0, 1.15, 1.0, 0.9)[number % 4]
        slower = 1.5 * max(math.log(asked / sustained), 0.0)
        capacity.observe(asked, rng.gauss(slower, noise), noise)
        limit = capacity.best(limit / 2, limit * 1.3)
    return limit


@pytest.mark.parametrize("sustained", [6, 20, 300])
@pytest.mark.parametrize(("noise", "rounds", "within"), [(0.02, 30, 0.06), (0.1, 100, 0.12)])
def test_it_is_found_the_more_surely_the_more_rounds_there_are(
    sustained: int, noise: float, rounds: int, within: float
) -> None:
    assert found(sustained, noise, rounds) == pytest.approx(sustained, rel=within)


def test_one_round_that_is_off_by_chance_changes_little() -> None:
    capacity = Capacity(4, 1000)
    for number in range(40):
        ask(capacity, (20, 23)[number % 2], 20)
    before = capacity.best(10, 40)
    capacity.observe(20, 0.25, 0.1)
    assert capacity.best(10, 40) == pytest.approx(before, rel=0.06)


def test_a_capacity_that_falls_is_noticed_at_once() -> None:
    capacity = Capacity(4, 1000)
    for number in range(40):
        ask(capacity, (60, 69, 54)[number % 3], 60)
    ask(capacity, 60, 20)
    assert capacity.best(4, 60) <= 30


def test_what_takes_as_long_at_any_limit_is_usual() -> None:
    capacity = Capacity(4, 1000)
    for number in range(40):
        ask(capacity, (60, 69, 54)[number % 3], 60)
    limit = 60.0
    for number in range(20):
        ask(capacity, limit * (1, 1.15)[number % 2], 60, usual=0.8)
        limit = capacity.best(limit / 2, limit * 1.3)
    assert limit > 45


def test_what_an_api_refuses_is_believed_of_it_less() -> None:
    capacity = Capacity(4, 100)
    before = capacity.at_least(50)
    capacity.refused(50)
    assert capacity.at_least(50) == pytest.approx(before / 2 / (1 - before / 2))
    for _ in range(20):
        capacity.refused(50)
    assert capacity.best(4, 100) < 50


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(1, 2000), st.floats(-30, 30), st.floats(0.01, 10), st.booleans()),
        max_size=40,
    )
)
def test_whatever_it_is_told_it_believes_something(
    rounds: list[tuple[float, float, float, bool]],
) -> None:
    capacity = Capacity(4, 1000)
    for limit, mean, error, refused in rounds:
        capacity.observe(limit, mean, error)
        if refused:
            capacity.refused(limit)
        assert capacity.at_least(1) == pytest.approx(1)
        assert 0 <= capacity.at_least(limit) <= 1 + 1e-9
        assert 4 * 0.95 <= capacity.best(4, 1000) <= 1000 * 1.06


def test_as_little_as_nothing_to_choose_from_is_chosen() -> None:
    assert Capacity(4, 1000).best(16, 16) == pytest.approx(16, rel=0.03)
    assert Capacity(1, 2).best(1, 2) <= 2.1


@pytest.mark.parametrize("slope", [1.0, 1.5])
@pytest.mark.parametrize("sustained", [4, 16, 64])
def test_the_first_round_may_have_been_slowed_already(sustained: int, slope: float) -> None:
    capacity = Capacity(1, 1000)
    first = slope * max(math.log(16 / sustained), 0.0)
    capacity.begin(16, 0.03)
    limit = 8.0
    for number in range(30):
        asked = limit * (1.0, 1.2, 1.0, 0.85)[number % 4]
        capacity.observe(asked, slope * max(math.log(asked / sustained), 0.0) - first, 0.03)
        limit = capacity.best(limit / 2, limit * 1.3)
    assert limit == pytest.approx(sustained, rel=0.15)


def test_the_slope_of_an_api_is_learned() -> None:
    """What a limit that is far too high does is known then, and taken for nothing else."""
    capacity = Capacity(4, 1000)
    for _ in range(20):
        for asked in (20, 26, 34):
            capacity.observe(asked, max(math.log(asked / 20), 0.0), 0.02)
    before = capacity.best(10, 40)
    capacity.observe(40, math.log(2), 0.02)
    assert capacity.best(10, 40) == pytest.approx(before, rel=0.03)
    assert capacity.at_least(26) < 0.05


def test_what_is_expected_at_a_limit_is_what_was_seen_there() -> None:
    capacity = Capacity(4, 1000)
    for number in range(60):
        ask(capacity, (20, 25, 17)[number % 3], 20, usual=0.1)
    for limit, excess in ((10, 0.0), (20, 0.0), (25, 1.5 * math.log(25 / 20))):
        assert capacity.expected(limit) == pytest.approx(0.1 + excess, abs=0.05)
