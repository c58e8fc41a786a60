"""How many retries there may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.budget import Budget
from proxy.policy.window import Window

moves = st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=200)


@given(st.lists(st.floats(0, 5), max_size=100))
def test_a_window_counts_what_is_not_older_than_itself(gaps: list[float]) -> None:
    window = Window(10, buckets=10)
    now, times = 1000.0, []
    for gap in gaps:
        now += gap
        window.add(now)
        times.append(now)
        # To the bucket: nothing of the last nine seconds is missing, nothing over ten is counted.
        assert sum(t > now - 9 for t in times) <= window.total(now)
        assert window.total(now) <= sum(t > now - 10 for t in times)
    assert window.total(now + 11) == 0


def test_a_long_pause_empties_a_window_at_once() -> None:
    window = Window(10)
    window.add(5.0, 7)
    assert window.total(5.0) == 7
    assert window.total(1e9) == 0
    window.add(1e9)
    assert window.total(1e9) == 1


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
    assert budget.report(20.0) == {"requests": 1000, "spent": 200, "available": 0.0, "refused": 101}


@pytest.mark.parametrize("percent", [0, 1])
def test_no_floor_and_no_requests_mean_no_retry(percent: float) -> None:
    assert not Budget(percent, 0, 10).spend(0.0)
