"""A route as the edge sees it."""

from collections.abc import Callable, Sequence

from proxy.config.model import Route
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.edge.destination import METHODS, Destinations
from proxy.edge.field_rules import FieldRules
from proxy.edge.forwarded import prefixed
from proxy.edge.location import Locations
from proxy.edge.responses import ErrorsOptions
from proxy.edge.target import Rewrite, begins, literal_path
from proxy.upstream.address import origins, renames, told
from proxy.upstream.options import UpstreamOptions, entries


class Chain:
    """A route, ready to serve: what it rewrites, then its middlewares, then the upstream."""

    __slots__ = (
        "_destinations",
        "_handler",
        "_locations",
        "_prefix",
        "_request_rules",
        "_response_rules",
        "_rewrite",
        "errors",
        "handle",
        "name",
    )

    def __init__(
        self,
        route: Route,
        handler: Handler,
        upstreams: Sequence[UpstreamOptions],
        *,
        prefix: bool = True,
    ) -> None:
        """``upstreams``: all that may answer; ``prefix``: they are told which one was stripped."""
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
        self._prefix = ""
        if route.strip_prefix and prefix:
            self._prefix = literal_path(route.strip_prefix, what="strip_prefix").decode()
        self._locations: Locations | None = None
        self._destinations: Destinations | None = None
        renamed = any(
            renames(upstream, entry.url) for upstream in upstreams for entry in entries(upstream)
        )
        if route.rewrite_location and (renamed or self._rewrite is not None):
            self._locations = Locations(
                [name for upstream in upstreams for name in origins(upstream)],
                strip=route.strip_prefix,
                add=route.add_prefix,
                mapped=route.rewrite is None,
            )
            servers = [name for upstream in upstreams for name in told(upstream)]
            self._destinations = Destinations(servers, self._rewrite, route.strip_prefix)
        changes = (self._rewrite, self._request_rules, self._response_rules, self._locations)
        self.handle: Handler = handler if changes == (None,) * 4 else self._handle

    async def _handle(self, exchange: Exchange) -> Reply:
        """Rewrite what the route says, on the way up and on the way down."""
        if self._rewrite is not None:
            exchange.target = self._rewrite(exchange.target, exchange.path)
            if self._prefix and begins(exchange.path, self._prefix):
                exchange.headers = prefixed(exchange.headers, self._prefix.encode())
        if self._destinations is not None and exchange.method in METHODS:
            exchange.headers = self._destinations.apply(exchange.headers, exchange)
        if self._request_rules is not None:
            exchange.heard = exchange.headers
            exchange.headers = self._request_rules.apply(exchange.headers, variables(exchange))
        reply = await self._handler(exchange)
        if self._locations is not None:
            reply.headers = self._locations.apply(reply.headers, exchange)
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
