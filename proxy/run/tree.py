"""From options to chains. The order of every chain stands here, with its reasons."""

import asyncio
import random
from functools import partial
from typing import Any

from proxy.config.model import Config, Route, Upstream
from proxy.core.clock import Clock, monotonic
from proxy.core.exchange import Handler
from proxy.core.outcome import repeatable
from proxy.core.secrets import shown
from proxy.edge.last_event import last_event
from proxy.edge.router import Router
from proxy.http.hop_by_hop import end_to_end_response
from proxy.middleware.coalesce.coalesce import Coalesce
from proxy.middleware.coalesce.shared_reply import MemoryBudget
from proxy.middleware.commit import Commit, holds, speaks
from proxy.middleware.deadline.deadline import Deadline
from proxy.middleware.deadline.propagation import DeadlinePropagation
from proxy.middleware.fallback import Fallback, Fixed, FixedReply
from proxy.middleware.hedge.hedge import Hedge
from proxy.middleware.load_balance.headroom import has_headroom
from proxy.middleware.load_balance.load_balance import LoadBalance
from proxy.middleware.load_balance.options import LoadBalanceOptions
from proxy.middleware.load_balance.targets import TargetSet
from proxy.middleware.per_try import PerTry
from proxy.middleware.rate_limit import RateLimit
from proxy.middleware.resume.resumable_streams import ResumableStreams
from proxy.middleware.resume.resume import Resume
from proxy.middleware.retry.options import BudgetOptions, RetryOptions
from proxy.middleware.retry.retry import Retry
from proxy.middleware.sse_keepalive.sse_keepalive import SseKeepAlive
from proxy.middleware.total import Total
from proxy.middleware.upstream_quota import UpstreamQuota
from proxy.policy.budget import Budget
from proxy.run.chain import Chain
from proxy.run.limits import Limits
from proxy.upstream.endpoint import Endpoint
from proxy.upstream.endpoints import Endpoints
from proxy.upstream.forward import Forward
from proxy.upstream.health import HealthGuard
from proxy.upstream.session import Session


class Tree:
    """What is built of a configuration: pools, routes, and what they share."""

    def __init__(
        self, config: Config, session: Session, rng: random.Random, clock: Clock = monotonic
    ) -> None:
        """Raises OSError or ssl.SSLError where a file of the options cannot be used."""
        self._config = config
        self._rng = rng
        self._clock = clock
        self._options = {upstream.name: upstream for upstream in config.upstreams}
        self.endpoints = {
            upstream.name: Endpoints(upstream, session) for upstream in config.upstreams
        }
        self._limits = Limits(self._options)
        self._budgets: dict[tuple[str, BudgetOptions], Budget] = {}
        self._hedges: list[tuple[str, str, Hedge]] = []
        self._shared: list[tuple[str, Coalesce]] = []
        self._rates: dict[str, Any] = {}
        self._harmless = config.admin.show_keys if config.admin is not None else ()
        self._room = MemoryBudget()
        self._tasks: set[asyncio.Task[None]] = set()
        self.resumable_streams = ResumableStreams(clock=clock)
        self.routes = [Line(route) for route in config.routes]
        prefix = config.server.forwarded in ("both", "x")
        self.router = Router(
            [
                (
                    line.options,
                    Chain(
                        line.options, self._chain(line), self._asked(line.options), prefix=prefix
                    ),
                )
                for line in self.routes
            ]
        )
        self._guards: list[HealthGuard] = []

    def open(self) -> None:
        """Begin to look names up and to check servers."""
        for name, endpoints in self.endpoints.items():
            if (check := self._options[name].health_check) is not None:
                self._guards.append(HealthGuard(endpoints, check, self._rng))
            endpoints.open()

    async def close(self) -> None:
        """Stop all that runs by itself."""
        await self.resumable_streams.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for guard in self._guards:
            await guard.close()
        for endpoints in self.endpoints.values():
            await endpoints.close()

    def _asked(self, route: Route) -> list[Upstream]:
        """The upstreams of a route, those that take over included."""
        others = route.fallback if isinstance(route.fallback, tuple) else ()
        return [self._options[name] for name in (route.upstream, *others)]

    def _chain(self, line: "Line") -> Handler:
        """A route, from the upstream outwards; what is linked last meets a request first."""
        route = line.options
        first, *others = [self._attempts(line, asked.name) for asked in self._asked(route)]
        handler: Handler = first
        if route.fallback:  # above Retry: an upstream has failed when its tries have run out
            fixed = Fixed(route.fallback) if isinstance(route.fallback, FixedReply) else None
            retry = route.retry or RetryOptions()
            rule = partial(repeatable, rules=retry)
            handler = Fallback(handler, others, fixed, rule, retry.keep).handle
        if route.coalesce is not None:  # above all tries: they are made once for all
            shared = Coalesce(handler, route.coalesce, self._room, self._tasks, clock=self._clock)
            self._shared.append((line.name, shared))
            handler = shared.handle
        if route.stream is not None and route.stream.resume:
            # Above all that has to do with an upstream: what is resumed has none of it again. A
            # rule for requests may have taken their credentials away.
            by_address = route.request_headers is not None
            handler = Resume(
                handler,
                route.stream.resume,
                self.resumable_streams,
                by_address=by_address,
                clock=self._clock,
            ).handle
        if route.stream is not None and speaks(route.stream):
            # Above Resume: what we say in between is for this client, not for the one after it.
            details = route.errors is not None and route.errors.details
            handler = SseKeepAlive(
                handler,
                heartbeat=route.stream.heartbeat,
                sends_error_event=route.stream.on_error != "abort",
                error_event=partial(last_event, shape=route.stream.on_error, details=details),
                clock=self._clock,
            ).handle
        if route.rate_limit is not None and route.rate_limit.average:  # counts whoever answers
            limited = RateLimit(handler, route.rate_limit, clock=self._clock)
            show = shown(route.rate_limit.key, self._harmless)
            self._rates[line.name] = partial(limited.report, show)
            handler = limited.handle
        # Above all: no wait below may outlive it.
        bounded = handler
        if route.timeouts.total:
            bounded = Total(handler, route.timeouts.total).handle
        if route.deadline is not None:
            bounded = Deadline(
                handler, bounded, route.deadline, route.timeouts.total, clock=self._clock
            ).handle
        return bounded

    def _attempts(self, line: "Line", name: str) -> Handler:
        """All tries of a route at one upstream."""
        route = line.options
        # Below Retry: nothing is held while nothing is under way.
        balanced, targets = self._balanced(line, name)
        handler = self._limits.guarded(balanced, name, route, self._clock)
        if route.hedge is not None:  # above the permits: a copy needs one of its own
            rule = route.retry or RetryOptions()
            listed = route.retry is not None and route.retry.attempts > 1
            headroom = partial(has_headroom, self._limits.limiter(name), targets, self._clock)
            may = partial(repeatable, rules=rule)
            hedge = Hedge(
                handler,
                route.hedge,
                headroom,
                may,
                rule.keep,
                records_outcome=not listed,
                clock=self._clock,
            )
            self._hedges.append((line.name, name, hedge))
            handler = hedge.handle
        commit = None
        if route.stream is not None and holds(route.stream):
            commit = Commit(handler, route.stream)
        retry = route.retry
        if retry is not None and retry.attempts > 1:
            # Holds replies itself, as a frame less for each request, and tries again what breaks.
            budget = self._budget(name, retry.budget)
            hold = None if commit is None else commit.hold
            return Retry(handler, retry, budget, self._rng, hold, clock=self._clock).handle
        return handler if commit is None else commit.handle

    def _balanced(self, line: "Line", name: str) -> "tuple[Handler, TargetSet[Endpoint] | None]":
        """One attempt at whichever server is the best; where there are several, the ways there."""
        endpoints, upstream = self.endpoints[name], self._options[name]
        route = line.options
        alone = len(endpoints.members) == 1 and not endpoints.changes
        if alone and (route.circuit_breaker, upstream.health_check) == (None, None):
            return attempt(endpoints.members[0], route, self._clock), None
        targets = TargetSet(
            endpoints, partial(attempt, route=route, clock=self._clock), route.circuit_breaker
        )
        line.targets.append(targets)
        options = upstream.load_balance or LoadBalanceOptions()
        # Without retry every request has one try only.
        rule = partial(repeatable, rules=route.retry or RetryOptions(methods=()))
        return LoadBalance(targets, options, self._rng, rule, clock=self._clock).handle, targets

    def _budget(self, name: str, options: BudgetOptions) -> Budget:
        """One for each upstream, whichever route retries."""
        budget = self._budgets.get((name, options))
        if budget is None:
            budget = Budget(options.percent, options.min_per_second, options.window)
            self._budgets[name, options] = budget
        return budget

    def report(self, now: float) -> dict[str, Any]:
        """The state of servers, breakers and budgets for operators; ``now`` is monotonic."""
        return {
            "upstreams": {
                name: endpoints.report(now) for name, endpoints in self.endpoints.items()
            },
            "streams": self.resumable_streams.report(),
            "concurrency": self._limits.report(now, self._harmless),
            "hedges": [
                {"route": route, "upstream": name, **hedge.report(now)}
                for route, name, hedge in self._hedges
            ],
            "rate_limits": {route: report() for route, report in self._rates.items()},
            "coalesce": {
                "kept_bytes": self._room.used,
                "routes": {route: shared.report() for route, shared in self._shared},
            },
            "budgets": [
                {"upstream": name, **budget.report(now)}
                for (name, _), budget in self._budgets.items()
            ],
            "breakers": [
                {"route": line.name, **state}
                for line in self.routes
                for targets in line.targets
                for state in targets.report(now)
            ],
        }


class Line:
    """A route, and its targets."""

    __slots__ = ("name", "options", "targets")

    def __init__(self, options: Route) -> None:
        self.options = options
        self.name = options.path_regex or options.path
        self.targets: list[TargetSet[Endpoint]] = []


def attempt(endpoint: Endpoint, route: Route, clock: Clock) -> Handler:
    """One attempt at one server."""
    clocks = route.timeouts
    handler: Handler = Forward(endpoint.address, endpoint.pool, clocks, end_to_end_response).handle
    if clocks.per_try:  # below Retry: each attempt has its own
        handler = PerTry(handler, clocks.per_try).handle
    if route.deadline is not None:  # what is left is told, and known, by server
        handler = DeadlinePropagation(handler, route.deadline, clock=clock).handle
    if route.rate_limit is not None and route.rate_limit.learn:
        ours = endpoint.address.credentials
        patience = route.rate_limit.max_wait
        handler = UpstreamQuota(
            handler, endpoint, patience, b"" if ours is None else ours[0], clock=clock
        ).handle
    return handler
