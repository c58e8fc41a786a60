"""What a configuration is built into: the endpoints of its upstreams, and the chain of each route.

The order of the links stands in ``run/chains``; when there is one, and what it is made of, says its
own ``link``.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final, cast

from proxy.config.files import named_files
from proxy.config.model import Config, Route, Upstream
from proxy.core.clock import monotonic
from proxy.core.closing import close_all
from proxy.core.exchange import Handler
from proxy.core.files import marks
from proxy.core.recording_mode import RecordingMode
from proxy.core.samples import Sample
from proxy.core.scope import EndpointScope, Scope, UpstreamScope
from proxy.core.shared import Shared, Uses
from proxy.core.timeouts import TimeoutsOptions
from proxy.edge.preflights import PageRouter, answers
from proxy.edge.responses import ErrorsOptions
from proxy.http.fields import RawHeaders
from proxy.http.hop_by_hop import end_to_end_response
from proxy.middleware.load_balance.ejection import Breakers, CircuitBreakerOptions, passive
from proxy.middleware.load_balance.options import LoadBalanceOptions
from proxy.middleware.load_balance.targets import TargetSet
from proxy.run.chains import ENDPOINT, ROUTE, UPSTREAM, OnLink, linked
from proxy.run.scopes import identity, scope_of, upstream_names, upstream_scope_of, upstreams_of
from proxy.run.stores import fit, store_of
from proxy.upstream.credentials.upstream_credentials import UpstreamCredentials
from proxy.upstream.endpoint import Endpoint
from proxy.upstream.endpoints import Endpoints
from proxy.upstream.forward import Forward
from proxy.upstream.health import HealthGuard
from proxy.upstream.session import Session


@dataclass(slots=True)
class RouteNode:
    """A route as the edge sees it, and what it was made from."""

    name: str
    errors: ErrorsOptions | None
    """How answers look that the proxy makes itself."""
    handle: Handler
    own_fields: Callable[[RawHeaders], RawHeaders] | None = None
    """What answers carry that are made before ``handle`` has a say."""
    facts: tuple[object, ...] = ()
    """All that its chain depends on: where that is equal, the next configuration keeps it."""
    uses: Uses = field(default_factory=lambda: Uses([], []))
    targets: tuple[TargetSet[Endpoint], ...] = ()

    def close(self) -> None:
        """Hear no more of the endpoints."""
        for targets in self.targets:
            targets.close()


TURN: Final = 0.005
"""Seconds of building between two looks at other work: so long a thread keeps the interpreter."""


class Tree:
    """Upstreams, routes, and what they share.

    A tree that is built with the one before it finds there what stays: endpoints by the name of
    their upstream, routes by all that they are made from, what is shared by its keys. Nothing of
    that is taken away until ``open``; until then ``abandon`` leaves all as it was.
    """

    def __init__(
        self,
        config: Config,
        session: Session,
        rng: random.Random,
        on_link: OnLink | None = None,
        before: "Tree | None" = None,
        *,
        recording_mode: RecordingMode | None = None,
        mount: str = "",
    ) -> None:
        """Without its chains, which ``build`` makes.

        Raises OSError or ssl.SSLError where a file of the options cannot be used.
        ``on_link`` is told of every link that is made, the innermost first.
        """
        self._upstreams = {upstream.name: upstream for upstream in config.upstreams}
        self._linked = partial(linked, on_link=on_link)
        self._before = before
        known = before.endpoints if before is not None else {}
        self._plans = {
            name: known[name].prepare(upstream)
            for name, upstream in self._upstreams.items()
            if name in known
        }
        self.endpoints: dict[str, Endpoints] = {
            name: known.get(name) or Endpoints(upstream, session)
            for name, upstream in self._upstreams.items()
        }
        self.shared: Shared = Shared(
            rng,
            config.admin.show_keys if config.admin is not None else (),
            before=before.shared if before is not None else None,
        )
        self.shared.traced = config.tracing is not None
        self.shared.recording_mode = recording_mode
        self._store = config.store
        self._caches = [route.cache for route in config.routes]
        same = before is not None and before._store == config.store
        self.shared.store = store_of(
            config.store, self._caches, before.shared.store if before and same else None
        )
        for name, endpoints in self.endpoints.items():
            self.shared.watch(endpoints, upstream=name)
        self._tell_prefix = config.server.forwarded in ("both", "x")
        self._mount = mount
        self._targets: list[TargetSet[Endpoint]] = []
        self._guards: dict[str, HealthGuard] = {}
        self._outdated: list[UpstreamCredentials] = []
        """Of upstreams whose options are others now: what is in flight may still want them."""
        self._routes = config.routes
        self.nodes: list[RouteNode] = []
        self._by_identity: defaultdict[Hashable, list[RouteNode]] = defaultdict(list)
        self.router: PageRouter[RouteNode] = PageRouter([], answers)

    def build(self) -> "Tree":
        """Make the chains. Raises as above."""
        for _ in self._steps():
            pass
        return self

    async def build_in_turns(self) -> "Tree":
        """Likewise, while the tree before serves: the loop is never kept from that for long."""
        began = monotonic()
        for _ in self._steps():
            if monotonic() - began >= TURN:
                await asyncio.sleep(0)
                began = monotonic()
        return self

    def _steps(self) -> Iterator[None]:
        try:
            for route in self._routes:
                node = self._route(route)
                self.nodes.append(node)
                self._by_identity[identity(route)].append(node)
                yield
            self.router = PageRouter(list(zip(self._routes, self.nodes, strict=True)), answers)
        except BaseException:
            self.abandon()
            raise

    def _route(self, route: Route) -> RouteNode:
        facts = self._facts(route)
        kept = self._before.find(facts) if self._before is not None else None
        if kept is not None:
            self.shared.keep(kept.uses)
            return kept
        self.shared.uses = Uses([], [])
        self._targets = []
        scope = scope_of(route, self.shared)
        asked = upstreams_of(route, self._upstreams.values())
        scope.options += (upstream_names(asked, self._tell_prefix, self._mount),)
        try:
            first, *scope.others = [self._attempts(scope, upstream) for upstream in asked]
            handle = self._linked(ROUTE, scope, first)
        except BaseException:
            for targets in self._targets:
                targets.close()
            raise
        uses, found = self.shared.uses, tuple(self._targets)
        return RouteNode(scope.route, route.errors, handle, scope.own_fields, facts, uses, found)

    def _facts(self, route: Route) -> tuple[object, ...]:
        asked = upstreams_of(route, self._upstreams.values())
        return (
            route,
            *asked,
            self.shared.store,
            self._tell_prefix,
            self.shared.show_keys,
            self.shared.traced,
            marks(named_files(route)),
        )

    def find(self, facts: tuple[object, ...]) -> RouteNode | None:
        """The route that is made from all of this."""
        alike = self._by_identity[identity(cast(Route, facts[0]))]
        return next((node for node in alike if node.facts == facts), None)

    def _attempts(self, route: Scope, upstream: Upstream) -> Handler:
        """All attempts of a route at one upstream."""
        endpoints = self.endpoints[upstream.name]
        plan = self._plans.get(upstream.name) or endpoints.plan
        scope = upstream_scope_of(route, upstream, endpoints)
        attempt = partial(self._attempt, scope, plan.credentials)
        breaker = scope.find(CircuitBreakerOptions)
        balance = scope.find(LoadBalanceOptions) or LoadBalanceOptions()
        alone = endpoints.alone(plan)
        if alone is not None and (breaker, upstream.health_check) == (None, None):
            return self._linked(UPSTREAM, scope, attempt(alone))  # nothing to choose from
        is_passive = breaker is None and balance.ejection_time > 0
        if is_passive:
            breaker = passive(balance.ejection_time)
        breakers = None
        if breaker is not None:
            key = ("breakers", scope.identity, upstream.name, breaker, is_passive)
            breakers = self.shared.share(key, partial(Breakers, breaker, passive=is_passive))
        targets = TargetSet(endpoints, attempt, breakers, passive=is_passive)
        self._targets.append(targets)
        scope.options += (targets,)
        return self._linked(UPSTREAM, scope, targets.first)

    def _attempt(
        self, scope: UpstreamScope, credentials: UpstreamCredentials, endpoint: Endpoint
    ) -> Handler:
        """The chain that makes one attempt at this endpoint."""
        address = endpoint.address
        below = EndpointScope(
            **vars(scope),
            endpoint=endpoint,
            own_credentials=next(iter(credentials.names), b""),
            credentials=credentials,
        )
        timeouts = scope.find(TimeoutsOptions) or TimeoutsOptions()
        forward = Forward(address, endpoint.pool, timeouts, end_to_end_response)
        return self._linked(ENDPOINT, below, forward.handle)

    # Life

    def open(self) -> None:
        """Apply: take over what stays, begin to look names up and to check servers."""
        before, self._before = self._before, None
        plans, self._plans = self._plans, {}
        for name, plan in plans.items():
            outdated = self.endpoints[name].follow(plan)
            if outdated is not None and before is not None:
                before._outdated.append(outdated)
        self.shared.begin()
        fit(self.shared.store, self._caches)
        if before is not None:
            self._take_over(before)
        for name, endpoints in self.endpoints.items():
            check = self._upstreams[name].health_check
            if check is not None and name not in self._guards:
                self._guards[name] = HealthGuard(endpoints, check, self.shared.rng)
            endpoints.open()

    def _take_over(self, before: "Tree") -> None:
        kept = set(map(id, self.nodes))
        before.nodes = [node for node in before.nodes if id(node) not in kept]
        stopped: dict[str, HealthGuard] = {}
        for name, guard in before._guards.items():
            check = self._upstreams[name].health_check if name in self._upstreams else None
            if check == guard.options:
                self._guards[name] = guard
                continue
            guard.stop()
            stopped[name] = guard
            if check is None and name in self.endpoints:
                self.endpoints[name].trust()
        before._guards = stopped
        if self.shared.store is before.shared.store:
            before.shared.store = None
        for name in self.endpoints:
            before.endpoints.pop(name, None)

    def abandon(self) -> None:
        """It will never be opened: leave those alone that belong to the tree before."""
        mine = set() if self._before is None else set(map(id, self._before.nodes))
        for node in self.nodes:
            if id(node) not in mine:
                node.close()
        self.shared.abandon()

    async def close(self) -> None:
        """Stop all that runs by itself and that no other tree has taken over.

        What fails at that is logged, and keeps nothing else from being stopped.
        """
        await close_all([self.shared])
        for node in self.nodes:
            node.close()
        # Chains that another tree keeps make the ways to new servers here: they keep no others.
        self.nodes.clear()
        self._by_identity.clear()
        self.router = PageRouter([], answers)
        await close_all([*self._guards.values(), *self._outdated, *self.endpoints.values()])
        if self.shared.store is not None:
            await close_all([self.shared.store])

    def describe(self, now: float) -> Iterator[Sample]:
        """The state of everything that was built; ``now`` is monotonic."""
        return self.shared.describe(now)
