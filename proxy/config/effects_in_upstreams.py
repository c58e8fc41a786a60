"""Why an option of an upstream does nothing there; ``without_effect`` asks, and says it."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from proxy.config.model import Config, Upstream
from proxy.middleware.concurrency.options import ConcurrencyOptions, QueueOptions
from proxy.middleware.load_balance.options import LoadBalanceOptions
from proxy.policy.balance import POLICIES

Reason: TypeAlias = Callable[[Config, Upstream, Any], str]
"""As in ``effects_in_routes``, of an upstream."""


def _hash_key(_: Config, __: Upstream, balance: LoadBalanceOptions) -> str:
    if POLICIES[balance.policy].by_key:
        return ""
    return f'policy is "{balance.policy}": expected policy = "hash" beside it'


def _min_share(_: Config, __: Upstream, balance: LoadBalanceOptions) -> str:
    if balance.min_share >= 100 or POLICIES[balance.policy].less_for_slow:
        return ""
    return f'policy is "{balance.policy}": only "least_request" gives less to a slow server'


def _ejection_time(config: Config, upstream: Upstream, balance: LoadBalanceOptions) -> str:
    if not balance.ejection_time:
        return ""
    routes = [route for route in config.routes if upstream.name in route.upstreams]
    if not routes or any(route.circuit_breaker is None for route in routes):
        return ""
    return "[circuit_breaker] takes the place of it"


def _adaptive(_: Config, __: Upstream, limits: ConcurrencyOptions) -> str:
    if limits.adaptive == "off" or limits.min != limits.max_requests:
        return ""
    most = limits.max_requests
    expected = f"min below max_requests ({most})" if most > 1 else "max_requests above 1"
    return f"the limit does not move: expected {expected}"


def _min(_: Config, __: Upstream, limits: ConcurrencyOptions) -> str:
    if limits.adaptive != "off":
        return ""
    return 'the limit does not move: expected adaptive = "gradient" beside it'


def _queue(config: Config, upstream: Upstream, _: QueueOptions) -> str:
    retries = [route.retry for route in config.routes if route.retry is not None]
    if upstream.concurrency is not None or any(retry.wait_for_connect for retry in retries):
        return ""
    return "nothing ever waits here: expected [concurrency] max_requests beside it"


def _queue_key(_: Config, __: Upstream, queue: QueueOptions) -> str:
    if queue.order == "fair":
        return ""
    return f'order is "{queue.order}": only "fair" tells clients apart'


UPSTREAM: Final[Mapping[tuple[str, str], Reason]] = {
    ("load_balance", "hash_key"): _hash_key,
    ("load_balance", "min_share"): _min_share,
    ("load_balance", "ejection_time"): _ejection_time,
    ("concurrency", "adaptive"): _adaptive,
    ("concurrency", "min"): _min,
    ("queue", ""): _queue,
    ("queue", "key"): _queue_key,
}
"""Table and option; no option is for the table itself."""
