"""What each server is to get: less while it starts slowly, and while it is slow."""

from typing import Final

from proxy.middleware.load_balance.targets import Targets
from proxy.policy.balance import slow_start_factor
from proxy.policy.slowness import shares

COMPARE_EVERY: Final = 1.0
"""Seconds between two looks at which servers are slow beside the others."""


def compare(targets: Targets, floor: float) -> None:
    """Find out which servers are slow beside the others; none gets less than ``floor``."""
    endpoints = list(targets.by_endpoint)
    found = shares([endpoint.usual for endpoint in endpoints], floor)
    for endpoint, share in zip(endpoints, found, strict=True):
        endpoint.share = share


def apply_weights(targets: Targets, slow_start: float, now: float, floor: float) -> bool:
    """Whether all have started: a server is given its full weight bit by bit.

    ``floor``: 0 where none gets less for being slow, whatever options before this said.
    """
    started = True
    for endpoint in targets.by_endpoint:
        if not floor:
            endpoint.share = 1.0
        factor = endpoint.share
        if slow_start and not endpoint.backup:
            start = slow_start_factor(now - endpoint.available_since, slow_start)
            started = started and start == 1
            factor *= start
        endpoint.weight = endpoint.full_weight * factor
    return started
