"""An endpoint that is nothing but its state."""

from collections import defaultdict

from proxy.policy.ewma import Ewma
from proxy.policy.quota import Quotas


class StateOnly:
    """What is known of a server."""

    def __init__(self, name: str = "http://a", *, weight: float = 1.0, backup: bool = False):
        self.name = name
        self.weight = self.full_weight = weight
        self.backup = backup
        self.in_flight = 0
        self.latency = Ewma()
        self.healthy = True
        self.paused_until = 0.0
        self.available_since = 0.0
        self.outcomes: defaultdict[str | int, int] = defaultdict(int)
        self.quotas: Quotas | None = None
        self.recoveries = 0

    def pause(self, until: float) -> None:
        self.paused_until = until

    def recovered(self) -> None:
        self.recoveries += 1
