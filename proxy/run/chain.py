"""A route as the edge sees it."""

from collections.abc import Sequence

from proxy.config.model import Route
from proxy.core.exchange import Handler
from proxy.edge.responses import ErrorsOptions
from proxy.middleware.rewrite.rewrite import Rewrite
from proxy.upstream.address import origins, renames, told
from proxy.upstream.options import UpstreamOptions, entries


class Chain:
    """A route, ready to serve: what it rewrites, then its middlewares, then the upstream."""

    __slots__ = ("errors", "handle", "name")

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
        rewrite = Rewrite(
            handler,
            route,
            origins=[name for upstream in upstreams for name in origins(upstream)],
            servers=[name for upstream in upstreams for name in told(upstream)],
            renamed=any(
                renames(upstream, entry.url)
                for upstream in upstreams
                for entry in entries(upstream)
            ),
            tell_prefix=prefix,
        )
        self.handle: Handler = rewrite.handle if rewrite.needed else handler
