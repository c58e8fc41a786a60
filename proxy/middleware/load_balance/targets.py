"""The endpoints of an upstream as one route reaches them.

Two things may change, and they are told apart. Where there are other endpoints (``on_membership``),
``TargetSet`` makes a new snapshot. Where an endpoint's state has changed (``on_state``: a pause, a
check, a recovery), the snapshot stays, and whoever keeps a choice that was made by the state makes
it anew. An API that says with each reply how little is left would otherwise have the snapshots of
all routes made anew with each reply.
"""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Generic, NamedTuple, Protocol, TypeVar

from proxy.core.errors import NoEndpointAvailable
from proxy.core.exchange import Handler
from proxy.core.permit_wait import setting_aside
from proxy.core.samples import Sample, counter, gauge, info
from proxy.middleware.load_balance.ejection import Breakers, CircuitBreakerOptions, numbered
from proxy.policy.balance import eligible
from proxy.policy.breaker import Breaker
from proxy.policy.endpoint import Endpoint, in_service

E = TypeVar("E", bound=Endpoint)
E_co = TypeVar("E_co", bound=Endpoint, covariant=True)


class Target(NamedTuple):
    """An endpoint, how one route reaches it, and whether that route leaves it alone."""

    endpoint: Endpoint
    handle: Handler
    breaker: Breaker | None

    def usable(self, now: float, *, pauses: bool = True) -> bool:
        """Whether nothing speaks against it; its own Retry-After, where ``pauses`` count."""
        endpoint = self.endpoint
        if not in_service(endpoint) or (pauses and endpoint.paused_until > now):
            return False
        return self.breaker is None or self.breaker.would_allow(now)


class Targets:
    """A snapshot: the targets of one route while there are no other endpoints."""

    __slots__ = ("backups", "by_endpoint", "counts_successes", "limited", "primaries")

    def __init__(self, targets: Sequence[Target]) -> None:
        self.by_endpoint = {target.endpoint: target for target in targets}
        self.primaries = [endpoint for endpoint in self.by_endpoint if not endpoint.backup]
        self.backups = [endpoint for endpoint in self.by_endpoint if endpoint.backup]
        self.counts_successes = any(
            target.breaker is not None and target.breaker.counts for target in targets
        )
        """Whether a breaker wants to know of every success."""
        self.limited = any(endpoint.permits is not None for endpoint in self.by_endpoint)
        """Whether there may be only so many connections to one of them."""

    def usable(
        self, now: float, *, pauses: bool = True, but: Collection[Endpoint] = ()
    ) -> list[Endpoint]:
        """Those that nothing speaks against, see ``Target.usable``; ``but``: others than these."""
        targets = self.by_endpoint.values()
        usable = [target.endpoint for target in targets if target.usable(now, pauses=pauses)]
        return [endpoint for endpoint in usable if endpoint not in but] if but else usable

    def changes_at(self, now: float) -> float:
        """When the next of those that are left alone for a time may be asked again."""
        times = [endpoint.paused_until for endpoint in self.by_endpoint]
        breakers = [target.breaker for target in self.by_endpoint.values()]
        times += [breaker.allows_at for breaker in breakers if breaker is not None and breaker.open]
        return min((at for at in times if at > now), default=math.inf)

    def eligible(self, panic_threshold: float, now: float) -> Sequence[Endpoint]:
        """Those to pick from in the first place, see ``policy/balance.eligible``."""
        known = self.by_endpoint
        return eligible(
            self.primaries, self.backups, lambda each: known[each].usable(now), panic_threshold
        )

    def is_closed(self, endpoint: Endpoint) -> bool:
        """Whether its breaker is closed; a trial is only for one."""
        breaker = self.by_endpoint[endpoint].breaker
        return breaker is None or not breaker.open

    def is_clean(self, endpoint: Endpoint) -> bool:
        """Whether nothing at all speaks against it, no failure that may be the first in a row."""
        breaker = self.by_endpoint[endpoint].breaker
        return breaker is None or not (breaker.open or breaker.failures)

    def trial_due(self, endpoint: Endpoint, now: float) -> bool:
        """Whether it waits for a trial."""
        breaker = self.by_endpoint[endpoint].breaker
        return breaker is not None and breaker.open and breaker.would_allow(now)

    def none_usable(self, now: float) -> NoEndpointAvailable:
        """Says why no endpoint may be asked, and when the first may be."""
        targets = self.by_endpoint.values()
        until = [
            breaker.until
            for endpoint, _, breaker in targets
            if breaker is not None and breaker.open and in_service(endpoint)
        ]
        reasons = ", ".join(f"{target.endpoint.name} {_why(target, now)}" for target in targets)
        return NoEndpointAvailable(
            "no server may be asked: " + (reasons or "there is none"),
            retry_after=max(min(until, default=now) - now, 1.0),
        )


def _why(target: Target, now: float) -> str:
    """Why it may not be asked."""
    if target.endpoint.withdrawn:
        return "was withdrawn by an operator"
    if not target.endpoint.healthy:
        return "is unhealthy"
    if target.breaker is not None and target.breaker.until > now:
        until = datetime.now(UTC) + timedelta(seconds=target.breaker.until - now)
        return f"is ejected until {until:%H:%M:%S} UTC"
    return "is on trial"


class Members(Protocol[E_co]):
    """The endpoints of an upstream, and who is told of changes."""

    on_membership: list[Callable[[], None]]
    """Called when there are other members."""
    on_state: list[Callable[[], None]]
    """Called when a member may not be asked any more, or may be asked again."""

    @property
    def members(self) -> tuple[E_co, ...]:
        """The current endpoints."""

    @property
    def away(self) -> tuple[E_co, ...]:
        """Those that are not asked now, and may come back."""


def _closed(endpoint: Endpoint) -> Handler:
    raise RuntimeError(f"{endpoint.name} came to targets that are closed")


class TargetSet(Generic[E]):
    """The live targets of one route: a new snapshot whenever there are other endpoints.

    The breaker of an endpoint that is away is kept, for it to come back to.
    """

    __slots__ = (
        "__weakref__",
        "_away",
        "_breakers",
        "_endpoints",
        "_known",
        "_link",
        "now",
        "on_state",
        "passive",
    )

    def __init__(
        self,
        endpoints: Members[E],
        link: Callable[[E], Handler],
        breakers: Breakers | CircuitBreakerOptions | None,
        *,
        passive: bool = False,
    ) -> None:
        """``link`` makes the handler that sends one attempt to an endpoint.

        ``passive``: nobody has asked for breakers. They never leave a lone endpoint alone, and
        count as failures only what another endpoint might do better.
        """
        self._endpoints = endpoints
        self._link = link
        if isinstance(breakers, CircuitBreakerOptions):
            breakers = Breakers(breakers, passive=passive)
        self._breakers = breakers
        self.passive = passive
        self._known, self._away = dict[E, Target](), dict[E, Target]()
        self.now: Targets
        self.on_state: list[Callable[[], None]] = []
        """Called when an endpoint may not be asked any more, or may be asked again, and when there
        are other endpoints."""
        endpoints.on_membership.append(self._follow)
        endpoints.on_state.append(self._state_changed)
        self._follow()

    def close(self) -> None:
        """Hear no more of the endpoints, which may go on for another tree.

        What is under way goes on with the targets of now. What holds these in turn is let go of,
        so that they and the chain end with their last user.
        """
        self._endpoints.on_membership.remove(self._follow)
        self._endpoints.on_state.remove(self._state_changed)
        self.on_state.clear()
        self._link = _closed

    def _state_changed(self) -> None:
        for call in self.on_state:
            call()

    def _follow(self) -> None:
        before, members = self._away | self._known, self._endpoints.members
        everyone = (*members, *self._endpoints.away)
        numbers = numbered(each.name for each in everyone)
        targets = [
            before.get(each) or self._made(each, number)
            for each, number in zip(everyone, numbers, strict=True)
        ]
        here, away = targets[: len(members)], targets[len(members) :]
        self._known = dict(zip(everyone, here, strict=False))
        self._away = dict(zip(self._endpoints.away, away, strict=True))
        self.now = Targets(here)
        if self._breakers is not None:
            self._breakers.keep(
                *[
                    [(each.endpoint, each.breaker) for each in some if each.breaker]
                    for some in (here, away)
                ]
            )
        self._state_changed()

    def tell_of(self, **labels: str) -> None:
        """Name route and upstream to operators, when a server is ejected."""
        if self._breakers is not None:
            self._breakers.labels = dict(labels)

    def _made(self, endpoint: E, number: int) -> Target:
        breakers = self._breakers
        known = breakers.of(endpoint.name, number) if breakers is not None else None
        handle, permits = self._link(endpoint), endpoint.permits
        return Target(endpoint, setting_aside(permits, handle) if permits else handle, known)

    @property
    def first(self) -> Handler:
        """The handler of the first endpoint that there is."""
        return next(iter(self._known.values())).handle

    def has_headroom(self, now: float) -> bool:
        """Whether at least a third of the endpoints is well: healthy, neither paused nor ejected.

        On a bad day one of several nearly always is not, and a copy goes to another one. Those that
        an operator has withdrawn are none of them.
        """
        well = sum(
            target.usable(now) and (target.breaker is None or not target.breaker.open)
            for target in self._known.values()
        )
        return well > 0 and well * 3 >= sum(not each.withdrawn for each in self._known)

    def describe(self, now: float) -> Iterator[Sample]:
        """The breakers for operators; ``now`` is monotonic."""
        for target in self._known.values():
            if (breaker := target.breaker) is not None:
                labels = {"endpoint": target.endpoint.name}
                yield info("breaker_state", breaker.state(now), labels)
                yield counter("breaker_ejections", breaker.ejections, labels)
                yield gauge("breaker_open_seconds", max(0.0, breaker.until - now), labels)
