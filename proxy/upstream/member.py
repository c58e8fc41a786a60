"""A server of an upstream, and how it is doing."""

import time
from collections import Counter
from typing import Any

from proxy.policy.ewma import Ewma
from proxy.upstream.endpoint import Endpoint
from proxy.upstream.session import Gateway


class Member:
    """What all routes to a server share: its connections, its load, its health."""

    __slots__ = (
        "backup",
        "endpoint",
        "full_weight",
        "gateway",
        "healthy",
        "in_flight",
        "latency",
        "outcomes",
        "paused_until",
        "since",
        "weight",
    )

    def __init__(
        self, endpoint: Endpoint, gateway: Gateway, *, weight: float = 1.0, backup: bool = False
    ) -> None:
        self.endpoint = endpoint
        self.gateway = gateway
        self.backup = backup
        self.full_weight = weight
        self.weight = weight
        """What balancing reads; less than ``full_weight`` while it starts slowly."""
        self.in_flight = 0
        """Attempts whose reply has not ended."""
        self.latency = Ewma()
        """Seconds until a reply's head."""
        self.healthy = True
        """What its health checks say."""
        self.paused_until = 0.0
        """Its own Retry-After, as a time of ``time.monotonic``."""
        self.since = time.monotonic()
        """When it came, or came back."""
        self.outcomes: Counter[str] = Counter()
        """Attempts by status class or failure class."""

    @property
    def name(self) -> str:
        """Its address, as the log has it."""
        return self.endpoint.name

    def report(self, now: float) -> dict[str, Any]:
        """Its state for operators."""
        return {
            "endpoint": self.name,
            "weight": self.full_weight,
            "backup": self.backup,
            "healthy": self.healthy,
            "paused_s": round(max(0.0, self.paused_until - now), 3),
            "in_flight": self.in_flight,
            "connections": self.gateway.connections,
            "latency_ms": round(self.latency.value(now) * 1000, 3),
            "outcomes": dict(self.outcomes),
        }
