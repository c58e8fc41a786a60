"""From options to chains. The order of every chain stands here, with its reasons."""

import random
from collections.abc import Callable

from proxy.config.model import Config, Route
from proxy.core.exchange import Exchange
from proxy.core.handler import Handler
from proxy.core.reply import Reply
from proxy.edge.end_to_end import end_to_end_response
from proxy.edge.failures import ErrorsOptions
from proxy.edge.field_rules import FieldRules
from proxy.edge.router import Router
from proxy.edge.target import Rewrite
from proxy.middleware.retry import Retry
from proxy.middleware.timeouts import PerTry, Total
from proxy.upstream.endpoint import Endpoint
from proxy.upstream.forward import Forward
from proxy.upstream.session import Gateway, Session


class Chain:
    """A route, ready to serve: what it rewrites, then its middlewares, then the upstream."""

    __slots__ = (
        "_handler",
        "_request_rules",
        "_response_rules",
        "_rewrite",
        "errors",
        "handle",
        "name",
    )

    def __init__(self, route: Route, handler: Handler) -> None:
        self.name = route.path_regex or route.path
        self.errors: ErrorsOptions | None = route.errors
        self._handler = handler
        self._rewrite: Callable[[bytes, str], bytes] | None = None
        if route.strip_prefix or route.add_prefix or route.rewrite is not None:
            self._rewrite = Rewrite(route.strip_prefix, route.add_prefix, route.rewrite).apply
        self._request_rules = FieldRules(route.request_headers) if route.request_headers else None
        self._response_rules = (
            FieldRules(route.response_headers) if route.response_headers else None
        )
        plain = (self._rewrite, self._request_rules, self._response_rules) == (None, None, None)
        self.handle: Handler = handler if plain else self._handle

    async def _handle(self, exchange: Exchange) -> Reply:
        """Rewrite what the route says, on the way up and on the way down."""
        if self._rewrite is not None:
            exchange.target = self._rewrite(exchange.target, exchange.path)
        if self._request_rules is not None:
            exchange.headers = self._request_rules.apply(exchange.headers, variables(exchange))
        reply = await self._handler(exchange)
        if self._response_rules is not None:
            reply.headers = self._response_rules.apply(reply.headers, variables(exchange))
        return reply


def variables(exchange: Exchange) -> dict[str, str]:
    """What the values of header rules may name."""
    return {
        "client_addr": exchange.client,
        "request_id": exchange.request_id,
        "host": exchange.host,
    }


def assemble(config: Config, session: Session, rng: random.Random) -> Router[Chain]:
    """All routes with their chains."""
    roads: dict[str, tuple[Endpoint, Gateway]] = {}
    for upstream in config.upstreams:
        endpoint = Endpoint(upstream)
        roads[upstream.name] = (
            endpoint,
            session.gateway(
                endpoint.template,
                endpoint.unix_path,
                keepalive=upstream.keepalive_timeout,
                limit=upstream.limit,
            ),
        )
    return Router(
        [
            (route, Chain(route, chain(route, *roads[route.upstream], rng)))
            for route in config.routes
        ]
    )


def chain(route: Route, endpoint: Endpoint, gateway: Gateway, rng: random.Random) -> Handler:
    """One route, from the upstream outwards; the middleware linked last meets a request first."""
    clocks = route.timeouts
    handler: Handler = Forward(endpoint, gateway, clocks, end_to_end_response).handle
    if clocks.per_try:  # below Retry: each attempt has its own
        handler = PerTry(handler, clocks.per_try).handle
    if route.retry is not None and route.retry.attempts > 1:
        handler = Retry(handler, route.retry, rng).handle
    if clocks.total:  # above all: no wait below may outlive it
        handler = Total(handler, clocks.total).handle
    return handler
