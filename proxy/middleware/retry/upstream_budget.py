"""The budget of retries that all routes to an upstream share."""

from collections.abc import Iterator

from proxy.core.samples import Sample, counter, gauge
from proxy.policy.budget import Budget


class UpstreamBudget:
    """A budget, as operators are shown it."""

    __slots__ = ("budget",)

    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    def describe(self, now: float) -> Iterator[Sample]:
        """For operators; ``now`` is monotonic."""
        budget = self.budget
        yield gauge("retry_budget_requests", budget.requests(now))
        yield gauge("retry_budget_spent", budget.spent(now))
        yield gauge("retry_budget_available", budget.available(now))
        yield counter("retry_budget_refused", budget.refused)
