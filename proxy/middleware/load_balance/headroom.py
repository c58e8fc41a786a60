"""Whether an upstream could do more than it is asked to do now."""

from typing import Any

from proxy.core.clock import Clock
from proxy.middleware.load_balance.targets import TargetSet
from proxy.policy.limiter import ConcurrencyLimiter


def has_headroom(
    limiter: ConcurrencyLimiter | None, targets: TargetSet[Any] | None, clock: Clock
) -> bool:
    """Whether there is a free permit, and no endpoint is paused or ejected."""
    if limiter is not None and not limiter.free:
        return False
    now = clock()
    return targets is None or all(
        target.endpoint.paused_until <= now and (target.breaker is None or not target.breaker.open)
        for target in targets.now.by_endpoint.values()
    )
