"""The budget of retries: one for all routes to an upstream that have equal ``[retry.budget]``."""

from collections.abc import Iterator

from proxy.core.samples import Sample, counter, gauge
from proxy.middleware.retry.options import BudgetOptions
from proxy.policy.budget import Budget


class UpstreamBudget:
    """A budget, as operators are shown it."""

    __slots__ = ("budget", "options")

    def __init__(self, budget: Budget, options: BudgetOptions) -> None:
        """``options``: what it was made from; routes with other ones have another budget."""
        self.budget = budget
        self.options = options

    def describe(self, now: float) -> Iterator[Sample]:
        """For operators; ``now`` is monotonic."""
        budget, options = self.budget, self.options
        yield gauge("retry_budget_requests", budget.requests(now))
        yield gauge("retry_budget_spent", budget.spent(now))
        yield gauge("retry_budget_available", budget.available(now))
        yield counter("retry_budget_refused", budget.refused)
        yield gauge("retry_budget_percent", options.percent)
        yield gauge("retry_budget_min_per_second", options.min_per_second)
