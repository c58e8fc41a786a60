"""An endpoint as decisions see it."""

from collections import defaultdict
from typing import Protocol

from proxy.policy.ewma import Ewma
from proxy.policy.permits import Permits
from proxy.policy.quota import Quotas
from proxy.policy.slowness import RunningMedian


class Endpoint(Protocol):
    """A server of an upstream: its load, its health, and what it says of its own limits."""

    weight: float
    """Its share beside the others', above 0; less than ``full_weight`` while it starts slowly, or
    is slow."""
    full_weight: float
    in_flight: int
    """Attempts whose reply has not ended."""
    latency: Ewma
    usual: RunningMedian
    share: float
    """Of its weight, for as long as it is slow beside the others; else 1."""
    healthy: bool
    withdrawn: bool
    """Whether an operator has it left alone."""
    paused_until: float
    """Its own Retry-After, as a time of ``time.monotonic``."""
    refused_until: float
    """The same, where it said so with a 503 and not for a quota; else earlier than that."""
    available_since: float
    backup: bool
    outcomes: defaultdict[str | int, int]
    quotas: Quotas | None

    @property
    def permits(self) -> Permits | None:
        """For connections to it, where there may be only so many."""

    @property
    def name(self) -> str:
        """Its address, unlike that of any other."""

    def pause(self, until: float) -> None:
        """It asked to be left alone until then."""

    def recovered(self) -> None:
        """It works again."""


def in_service(endpoint: Endpoint) -> bool:
    """Whether neither its health checks nor an operator have it left alone, for all routes."""
    return endpoint.healthy and not endpoint.withdrawn
