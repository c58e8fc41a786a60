"""A server of an upstream, and how it is doing."""

import ssl
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from proxy.core.clock import monotonic
from proxy.core.errors import UpstreamError
from proxy.core.samples import Sample, counter, gauge
from proxy.core.state_changes import tell
from proxy.core.words import in_seconds
from proxy.policy.ewma import Ewma
from proxy.policy.permits import Permits
from proxy.policy.quota import Quotas
from proxy.policy.slowness import RunningMedian
from proxy.upstream.address import Address
from proxy.upstream.connection_pool import ConnectionPool
from proxy.upstream.connects import Connects


class Endpoint:
    """What all routes to a server share: its connections, its load, its health."""

    __slots__ = (
        "_on_state",
        "address",
        "available_since",
        "backup",
        "check_pool",
        "connects",
        "full_weight",
        "healthy",
        "in_flight",
        "latency",
        "outcomes",
        "paused_until",
        "pool",
        "proven",
        "quotas",
        "refused_until",
        "share",
        "usual",
        "weight",
        "withdrawn",
    )

    def __init__(
        self,
        address: Address,
        pool: ConnectionPool,
        check_pool: ConnectionPool,
        on_state: Callable[[], None],
        *,
        weight: float = 1.0,
        backup: bool = False,
        connects: Connects | None = None,
    ) -> None:
        """``on_state`` is called when it may be asked no more, or again."""
        self._on_state = on_state
        self.address = address
        self.pool = pool
        self.check_pool = check_pool
        """For health checks: a server at its limit of connections is to be checked all the same."""
        self.backup = backup
        self.connects = connects or Connects()
        """Whether connections to it are made; its pools see to that."""
        self.full_weight = weight
        self.weight = weight
        """What balancing reads; less than ``full_weight`` while it starts slowly."""
        self.in_flight = 0
        """Attempts whose reply has not ended."""
        self.latency = Ewma()
        """Seconds until a reply's head."""
        self.usual = RunningMedian()
        """The same, as it usually is; where servers are compared by it."""
        self.share = 1.0
        """Of its weight, for as long as it is slow beside the others."""
        self.healthy = True
        """What its health checks say."""
        self.proven = False
        """Whether it has passed one."""
        self.withdrawn = False
        """Whether an operator has it left alone."""
        self.paused_until = 0.0
        """Its own Retry-After, as a time of ``time.monotonic``."""
        self.refused_until = 0.0
        """The same, where it came with a 503."""
        self.quotas: Quotas | None = None
        """What it says of its own limits, where somebody heeds that."""
        self.available_since = monotonic()
        """When it came, or came back."""
        self.outcomes: defaultdict[str | int, int] = defaultdict(int)
        """Attempts by status, or by the class of their failure. A Counter would take four times as
        long to count."""

    def take_over(self, before: "Endpoint") -> None:
        """It is the same server, reached in another way: go on with what is known of it."""
        self.latency = before.latency
        self.usual, self.share = before.usual, before.share
        self.healthy, self.proven = before.healthy, before.proven
        self.paused_until, self.refused_until = before.paused_until, before.refused_until
        self.quotas = before.quotas or self.quotas
        self.withdrawn = before.withdrawn
        self.available_since = before.available_since
        self.outcomes = before.outcomes

    def weigh(self, weight: float, *, backup: bool) -> bool:
        """What the options say of it now; whether that is new. A slow start begins anew."""
        before = self.full_weight, self.backup
        self.full_weight = self.weight = weight
        self.backup = backup
        return before != (weight, backup)

    @property
    def permits(self) -> Permits | None:
        """For connections to it, where there may be only so many."""
        return self.pool.permits

    @property
    def name(self) -> str:
        """Its address, as the log has it."""
        return self.address.name

    def follow_name(self, listed: frozenset[str]) -> None:
        """Its name stands for these addresses now."""
        self.pool.follow_name(listed)
        self.check_pool.follow_name(listed)

    def use_tls(self, context: ssl.SSLContext | None) -> None:
        """Make new connections with this context; those that stand stay."""
        self.address.use_tls(context)
        for pool in {self.pool, self.check_pool}:
            pool.use(self.address.template)

    def reopen(self) -> None:
        """Its address is back, maybe as another process: slow start begins anew."""
        self.available_since = monotonic()
        self.pool.reopen()
        self.check_pool.reopen()

    def close(self) -> None:
        """Nobody asks it any more."""
        self.pool.close()
        self.check_pool.close()

    def pause(self, until: float) -> None:
        """It asked to be left alone until then, a time of ``time.monotonic``."""
        if until > self.paused_until:
            now = monotonic()
            if self.paused_until <= now < until:
                of: dict[str, Any] = {"upstream": self.address.upstream, "endpoint": self.name}
                sentence = f"{self.name} asks to be left alone for {in_seconds(until - now)}"
                tell("paused", sentence, **of, for_s=round(until - now, 3))
            self.paused_until = until
            self._on_state()

    def recovered(self) -> None:
        """It is back: what it did before counts no more, and slow start begins anew."""
        self.available_since = monotonic()
        self.latency = Ewma()
        self.usual = RunningMedian()
        self.share = 1.0
        self.weight = self.full_weight
        self._on_state()

    def set_health(self, *, healthy: bool) -> None:
        """Its health checks have changed their mind."""
        self.healthy = healthy
        if healthy:
            self.recovered()
        else:
            self._on_state()

    def withdraw(self, *, withdrawn: bool) -> None:
        """An operator has it left alone, or asked again."""
        if withdrawn is not self.withdrawn:
            self.withdrawn = withdrawn
            if withdrawn:
                self._on_state()
            else:
                self.recovered()

    def describe(self, now: float) -> Iterator[Sample]:
        """For operators; ``now`` is monotonic."""
        labels = {"endpoint": self.name}
        yield gauge("endpoint_weight", self.full_weight, labels)
        yield gauge("endpoint_backup", int(self.backup), labels)
        yield gauge("endpoint_healthy", int(self.healthy), labels)
        yield gauge("endpoint_withdrawn", int(self.withdrawn), labels)
        yield gauge("endpoint_paused_seconds", max(0.0, self.paused_until - now), labels)
        if self.quotas is not None:
            quotas = self.quotas.state(now)
            yield gauge("endpoint_quota_path_wait_seconds", quotas.path_wait, labels)
            yield gauge("endpoint_quota_paths", quotas.paths, labels)
            yield gauge("endpoint_quota_credentials", quotas.credentials, labels)
            wait, remaining, spacing = quotas.longest
            yield gauge("endpoint_quota_wait_seconds", wait, labels)
            if remaining is not None:
                yield gauge("endpoint_quota_remaining", remaining, labels)
            yield gauge("endpoint_quota_spacing_seconds", spacing, labels)
        # Where there is nothing to choose from nobody counts attempts.
        in_flight = max(self.in_flight, self.pool.in_use)
        yield gauge("endpoint_in_flight", in_flight, labels)
        yield gauge("endpoint_connections", self.pool.connections, labels)
        yield counter("endpoint_connections_opened", self.pool.opened, labels)
        for outcome, number in self.outcomes.items():
            yield counter("endpoint_attempts", number, {**labels, "outcome": str(outcome)})


def unreachable(endpoints: Iterable[Endpoint]) -> UpstreamError | None:
    """The reason if these endpoints could be asked but none can be connected to.

    None where there is one to which connections are made, as far as is known, and where it is for
    something else that none is asked.
    """
    failure = None
    for endpoint in endpoints:
        if endpoint.withdrawn:
            continue
        if endpoint.connects.failure is not None:
            failure = endpoint.connects.failure
        elif endpoint.healthy:
            return None
    return failure
