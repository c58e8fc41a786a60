"""What operators are shown of the retries that an upstream has left."""

from proxy.middleware.retry.options import BudgetOptions
from proxy.middleware.retry.retry import UpstreamBudget
from proxy.policy.budget import Budget
from tests.support.samples import told


def test_each_figure_is_the_one_of_its_name() -> None:
    budget = Budget(percent=20, min_per_second=0, window=10)
    for _ in range(20):
        budget.request(0.0)
    assert [budget.spend(0.0) for _ in range(3)] == [True] * 3
    shown = UpstreamBudget(budget, BudgetOptions(percent=20, min_per_second=0))
    assert told(shown) == {
        "retry_budget_requests": 20,
        "retry_budget_spent": 3,
        "retry_budget_available": 1,
        "retry_budget_refused": 0,
        "retry_budget_percent": 20,
        "retry_budget_min_per_second": 0,
    }
    assert [budget.spend(0.0) for _ in range(3)] == [True, False, False]
    assert told(shown)["retry_budget_refused"] == 2
