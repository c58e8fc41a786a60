"""How many retries there may be."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.budget import Budget, DepositBudget

moves = st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=200)


@given(moves)
def test_a_budget_is_never_exceeded(steps: list[tuple[float, bool]]) -> None:
    budget = Budget(percent=20, min_per_second=0.5, window=10)
    now = 0.0
    requests: list[float] = []
    spent: list[float] = []
    for gap, first in steps:
        now += gap
        if first:
            budget.request(now)
            requests.append(now)
        elif budget.spend(now):
            spent.append(now)
        allowed = max(5, 0.2 * sum(t > now - 10 for t in requests))
        assert sum(t > now - 9 for t in spent) <= allowed


def test_a_share_of_the_requests_or_a_few_at_any_load() -> None:
    budget = Budget(percent=20, min_per_second=3, window=10)
    assert [budget.spend(0.0) for _ in range(31)] == [True] * 30 + [False]
    for _ in range(1000):
        budget.request(20.0)
    assert sum(budget.spend(20.0) for _ in range(300)) == 200
    assert (budget.requests(20.0), budget.spent(20.0)) == (1000, 200)
    assert (budget.available(20.0), budget.refused) == (0.0, 101)


@pytest.mark.parametrize("rate", [0.05, 0.01, 0.25, 0.3, 1.7])
def test_the_floor_holds_in_the_long_run_also_where_it_is_no_whole_number(rate: float) -> None:
    budget = Budget(percent=0, min_per_second=rate, window=10)
    spent = [at for at in range(10_000) for _ in range(5) if budget.spend(float(at))]
    assert spent[0] == 0
    assert len(spent) == pytest.approx(rate * 10_000, rel=0.02)
    whole = math.ceil(rate * 10 - 1e-9)
    for before, after in zip(spent, spent[whole:], strict=False):
        assert after - before >= 0.9 * whole / rate - 1  # to the bucket


def test_what_is_promised_is_there_for_nobody_else() -> None:
    budget = Budget(percent=0, min_per_second=0.2, window=10)
    budget.promise()
    budget.promise()
    assert not budget.spend(0.0)
    budget.redeem()
    assert budget.spend(0.0)
    assert not budget.spend(0.0)
    budget.redeem()
    assert budget.spend(0.0)


@pytest.mark.parametrize("percent", [0, 1])
def test_no_floor_and_no_requests_mean_no_retry(percent: float) -> None:
    assert not Budget(percent, 0, 10).spend(0.0)


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


def test_nothing_is_saved_up_for_a_stampede() -> None:
    budget = DepositBudget(5.0, most=3)
    for _ in range(1000):
        budget.deposit()
    assert [budget.withdraw() for _ in range(4)] == [True, True, True, False]


def test_no_share_is_no_extra() -> None:
    budget = DepositBudget(0.0)
    budget.deposit()
    assert not budget.withdraw()
