"""Requests that make stored replies invalid, whichever route they take (RFC 9111 4.4).

What is stored of a target stands under a key for each upstream that a route with ``[cache]`` asks.
A POST of the same target may take another route, without ``[cache]`` or to another upstream: it
makes all of them invalid.
"""

from collections.abc import Awaitable, Iterable
from typing import Final

from proxy.core.cache_options import CacheOptions
from proxy.core.errors import Stage, UpstreamError
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.core.scope import Scope, UpstreamNames
from proxy.core.stored import Store
from proxy.middleware.cache.invalidation import invalidate
from proxy.middleware.cache.keying import Keys

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY"})


def link(scope: Scope, inner: Handler) -> Handler | None:
    """Where another route has ``[cache]``, and this one has not."""
    store = scope.shared.store
    if store is None or scope.find(CacheOptions) is not None:
        return None
    return writes_of(scope, store, inner).handle


def writes_of(scope: Scope, store: Store, inner: Handler) -> "Writes":
    """Those of a route."""
    keys = [
        scope.shared.share(("cache keys", upstream), lambda name=upstream: Keys(name))  # type: ignore[misc]
        for upstream in scope.shared.caching
    ]
    names = scope.find(UpstreamNames)
    return Writes(inner, store, keys, () if names is None else names.origins)


class Writes:
    """Sends them, and removes what they make invalid."""

    __slots__ = ("_inner", "_keys", "_origins", "_store")

    def __init__(
        self, inner: Handler, store: Store, keys: Iterable[Keys], origins: Iterable[str] = ()
    ) -> None:
        """``keys``: of all upstreams; ``origins``: what the upstream of this route calls itself."""
        self._inner = inner
        self._store = store
        self._keys = tuple(keys)
        self._origins = tuple(origins)

    def handle(self, exchange: Exchange) -> Awaitable[Reply]:
        """Any request; of those that change nothing the answer is handed on as it is."""
        return self._inner(exchange) if exchange.method in SAFE else self.send(exchange)

    async def send(self, exchange: Exchange) -> Reply:
        """One that may change something."""
        try:
            reply = await self._inner(exchange)
        except UpstreamError as error:
            if error.stage is Stage.ANSWERED:  # only the end of the reply is missing
                await invalidate(self._store, self._keys, exchange, (), self._origins)
            raise
        if 200 <= reply.status < 400:
            await invalidate(self._store, self._keys, exchange, reply.headers, self._origins)
        return reply
