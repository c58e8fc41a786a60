"""Endpoints that are nothing but their state."""

from collections import defaultdict
from collections.abc import Callable
from typing import Generic, TypeVar

from proxy.policy.ewma import Ewma
from proxy.policy.permits import Permits
from proxy.policy.quota import Quotas
from proxy.policy.slowness import RunningMedian


class StateOnly:
    """What is known of a server."""

    def __init__(self, name: str = "http://a", *, weight: float = 1.0, backup: bool = False):
        self.name = name
        self.weight = self.full_weight = weight
        self.backup = backup
        self.in_flight = 0
        self.latency = Ewma()
        self.usual = RunningMedian()
        self.share = 1.0
        self.healthy = True
        self.withdrawn = False
        self.permits: Permits | None = None
        self.paused_until = self.refused_until = 0.0
        self.available_since = 0.0
        self.outcomes: defaultdict[str | int, int] = defaultdict(int)
        self.quotas: Quotas | None = None
        self.recoveries = 0

    def pause(self, until: float) -> None:
        self.paused_until = until

    def recovered(self) -> None:
        self.recoveries += 1


E = TypeVar("E", bound=StateOnly)


class Live(Generic[E]):
    """Endpoints that a test changes."""

    def __init__(self, *members: E) -> None:
        self.members: tuple[E, ...] = members
        self.away: tuple[E, ...] = ()
        self.on_membership: list[Callable[[], None]] = []
        self.on_state: list[Callable[[], None]] = []

    def become(self, *members: E, away: tuple[E, ...] = ()) -> None:
        self.members, self.away = members, away
        for call in self.on_membership:
            call()

    def tell_state(self) -> None:
        """A member may not be asked any more, or may be asked again."""
        for call in self.on_state:
            call()
