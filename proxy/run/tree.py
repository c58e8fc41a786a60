"""What a configuration is built into: the endpoints of its upstreams, and the chain of each route.

The order of the links stands in ``run/chains``; when there is one, and what it is made of, says its
own ``link``.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from proxy.config.model import Config, Route, Upstream
from proxy.core.exchange import Handler
from proxy.core.outcome import repeatable
from proxy.core.samples import Sample
from proxy.core.scope import EndpointScope, Scope, Servers, Shared, UpstreamScope
from proxy.core.timeouts import TimeoutsOptions
from proxy.edge.last_event import last_event
from proxy.edge.responses import ErrorsOptions
from proxy.edge.router import Router
from proxy.http.hop_by_hop import end_to_end_response
from proxy.middleware.load_balance.ejection import CircuitBreakerOptions, passive
from proxy.middleware.load_balance.options import LoadBalanceOptions
from proxy.middleware.load_balance.targets import TargetSet
from proxy.middleware.retry.may_follow import MayFollow
from proxy.middleware.retry.options import RetryOptions
from proxy.middleware.rewrite.options import UpstreamNames
from proxy.policy.budget import Budget
from proxy.run.chains import ENDPOINT, ROUTE, UPSTREAM, OnLink, linked
from proxy.run.stores import store_of
from proxy.upstream.address import origins, renames, told
from proxy.upstream.credentials.upstream_credentials import UpstreamCredentials
from proxy.upstream.endpoint import Endpoint
from proxy.upstream.endpoints import Endpoints
from proxy.upstream.forward import Forward
from proxy.upstream.health import HealthGuard
from proxy.upstream.options import entries
from proxy.upstream.session import Session


@dataclass(slots=True)
class RouteNode:
    """A route as the edge sees it."""

    name: str
    errors: ErrorsOptions | None
    """How answers look that the proxy makes itself."""
    handle: Handler


class Tree:
    """Upstreams, routes, and what they share."""

    def __init__(
        self,
        config: Config,
        session: Session,
        rng: random.Random,
        on_link: OnLink | None = None,
    ) -> None:
        """Raises OSError or ssl.SSLError where a file of the options cannot be used.

        ``on_link`` is told of every link that is made, the innermost first.
        """
        self._upstreams = {upstream.name: upstream for upstream in config.upstreams}
        self._linked = partial(linked, on_link=on_link)
        self.endpoints = {
            upstream.name: Endpoints(upstream, session) for upstream in config.upstreams
        }
        self.shared = Shared(rng, config.admin.show_keys if config.admin is not None else ())
        self.shared.traced = config.tracing is not None
        self.shared.store = store_of(config.store, [route.cache for route in config.routes])
        for name, endpoints in self.endpoints.items():
            self.shared.watch(endpoints, upstream=name)
        tell_prefix = config.server.forwarded in ("both", "x")
        self._targets: list[TargetSet[Endpoint]] = []
        routes = [(route, self._route(route, tell_prefix=tell_prefix)) for route in config.routes]
        self.router = Router(routes)
        self._guards: list[HealthGuard] = []

    def _route(self, route: Route, *, tell_prefix: bool) -> RouteNode:
        scope = scope_of(route, self.shared)
        asked = upstreams_of(route, self._upstreams.values())
        scope.options += (_names(asked, tell_prefix=tell_prefix),)
        first, *scope.others = [self._attempts(scope, upstream) for upstream in asked]
        return RouteNode(scope.route, route.errors, self._linked(ROUTE, scope, first))

    def _attempts(self, route: Scope, upstream: Upstream) -> Handler:
        """All attempts of a route at one upstream."""
        endpoints = self.endpoints[upstream.name]
        scope = upstream_scope_of(route, upstream, endpoints)
        attempt = partial(self._attempt, scope, endpoints.credentials)
        breaker = scope.find(CircuitBreakerOptions)
        balance = scope.find(LoadBalanceOptions) or LoadBalanceOptions()
        alone = len(endpoints.members) == 1 and not endpoints.changes
        if alone and (breaker, upstream.health_check) == (None, None):  # nothing to choose from
            return self._linked(UPSTREAM, scope, attempt(endpoints.members[0]))
        passive_ejection = breaker is None and balance.ejection_time > 0
        if passive_ejection:
            breaker = passive(balance.ejection_time)
        targets = TargetSet(endpoints, attempt, breaker, passive=passive_ejection)
        self._targets.append(targets)
        scope.options += (targets,)
        return self._linked(UPSTREAM, scope, targets.first)

    def _attempt(
        self, scope: UpstreamScope, credentials: UpstreamCredentials, endpoint: Endpoint
    ) -> Handler:
        """One attempt at one endpoint."""
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

    def open(self) -> None:
        """Begin to look names up and to check servers."""
        for name, endpoints in self.endpoints.items():
            if (check := self._upstreams[name].health_check) is not None:
                self._guards.append(HealthGuard(endpoints, check, self.shared.rng))
            endpoints.open()

    async def close(self) -> None:
        """Stop all that runs by itself."""
        await self.shared.close()
        if self.shared.store is not None:
            await self.shared.store.close()
        for targets in self._targets:
            targets.close()
        for guard in self._guards:
            await guard.close()
        for endpoints in self.endpoints.values():
            await endpoints.close()

    def describe(self, now: float) -> Iterator[Sample]:
        """The state of everything that was built; ``now`` is monotonic."""
        return self.shared.describe(now)


def scope_of(route: Route, shared: Shared) -> Scope:
    """What the links of a route are made from."""
    retry = route.retry or RetryOptions()
    others = route.retry or RetryOptions(methods=())
    return Scope(
        shared=shared,
        options=tables(route),
        route=route.path_regex or route.path,
        repeatable=partial(repeatable, rules=retry),
        wait_for_connect=route.retry.wait_for_connect if route.retry is not None else 0.0,
        keep=retry.keep,
        retries=route.retry is not None and route.retry.attempts > 1,
        has_more_attempts=partial(repeatable, rules=others),
        has_deadlines=route.deadline is not None or bool(route.timeouts.total),
        changes_fields=route.request_headers is not None,
        main_upstream=route.upstream,
        error_event=partial(last_event, details=bool(route.errors and route.errors.details)),
    )


def upstream_scope_of(route: Scope, upstream: Upstream, servers: Servers) -> UpstreamScope:
    """What the links of one upstream of a route are made from."""
    retry = route.find(RetryOptions) or RetryOptions()
    limits = retry.budget
    budget = route.shared.share(
        ("retry budget", upstream.name, limits),
        lambda: Budget(limits.percent, limits.min_per_second, limits.window),
    )
    scope = UpstreamScope(
        **vars(route),
        upstream=upstream.name,
        servers=servers,
        retry_budget=budget,
        may_follow=MayFollow(retry, budget, route.shared.clock),
    )
    scope.options += tables(upstream)
    return scope


def upstreams_of(route: Route, upstreams: Iterable[Upstream]) -> list[Upstream]:
    """The upstreams of a route, those that take over included."""
    others = route.fallback if isinstance(route.fallback, tuple) else ()
    known = {upstream.name: upstream for upstream in upstreams}
    return [known[name] for name in (route.upstream, *others)]


def tables(options: msgspec.Struct) -> tuple[object, ...]:
    """Options, and the tables in them."""
    return (options, *(getattr(options, name) for name in options.__struct_fields__))


def _names(upstreams: Sequence[Upstream], *, tell_prefix: bool) -> UpstreamNames:
    return UpstreamNames(
        origins=tuple(name for upstream in upstreams for name in origins(upstream)),
        servers=tuple(name for upstream in upstreams for name in told(upstream)),
        renamed=any(
            renames(upstream, entry.url) for upstream in upstreams for entry in entries(upstream)
        ),
        tell_prefix=tell_prefix,
    )
