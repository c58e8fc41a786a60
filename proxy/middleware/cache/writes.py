"""Requests that make stored replies invalid, whichever route they take (RFC 9111 4.4).

A POST may take another route than the GETs of the same URL: one without ``[cache]``, or to another
upstream. So each route removes what is stored for a URL as clients name it.
"""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Final

from proxy.core.cache_options import CacheOptions
from proxy.core.errors import Stage, UpstreamError
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.core.scope import Scope, UpstreamNames
from proxy.core.stored import Store
from proxy.core.tasks import keep
from proxy.http.fields import RawHeaders
from proxy.middleware.cache.invalidation import invalidated

SAFE: Final = frozenset(
    {"GET", "HEAD", "OPTIONS", "TRACE", "QUERY", "PROPFIND", "REPORT", "SEARCH"}
)
"""Methods that change nothing (RFC 9110 9.2.1, and the IANA registry)."""


def link(scope: Scope, inner: Handler) -> Handler | None:
    """Where another route has ``[cache]``, and this one has not."""
    store = scope.shared.store
    if store is None or scope.find(CacheOptions) is not None:
        return None
    return writes_of(scope, store, inner).handle


def writes_of(scope: Scope, store: Store, inner: Handler, *, post: bool = False) -> "Writes":
    """Those of a route; ``post``: whether its POSTs change nothing."""
    names = scope.find(UpstreamNames)
    origins, mount = ((), "") if names is None else (names.origins, names.mount)
    safe = SAFE | {"POST"} if post else SAFE
    tasks = scope.shared.tasks
    return Writes(inner, store, scope.main_upstream, origins, tasks, safe=safe, mount=mount)


class Writes:
    """Sends them, and removes what they make invalid."""

    __slots__ = ("_inner", "_mount", "_origins", "_safe", "_store", "_tasks", "_upstream")

    def __init__(
        self,
        inner: Handler,
        store: Store,
        upstream: str,
        origins: Iterable[str],
        tasks: set[asyncio.Task[None]],
        *,
        safe: frozenset[str] = SAFE,
        mount: str = "",
    ) -> None:
        """``origins``: what the upstream calls itself; ``tasks``: those that outlive a request.

        ``safe``: methods that change nothing here. ``mount``: what requests have lost.
        """
        self._mount = mount.encode()
        self._safe = safe
        self._inner = inner
        self._store = store
        self._upstream = upstream.encode()
        self._origins = tuple(origins)
        self._tasks = tasks

    def handle(self, exchange: Exchange) -> Awaitable[Reply]:
        """Any request; of those that change nothing the answer is handed on as it is."""
        return self._inner(exchange) if exchange.method in self._safe else self.send(exchange)

    async def send(self, exchange: Exchange) -> Reply:
        """One that may change something.

        Whether it has is what the upstream says: a request whose client left before the answer, or
        that was refused, removes nothing. Else anybody could empty the store.
        """
        try:
            reply = await self._inner(exchange)
        except UpstreamError as error:
            if error.stage is Stage.ANSWERED:  # only the end of the reply is missing
                await asyncio.shield(self._removal(exchange, ()))
            raise
        if 200 <= reply.status < 400:
            try:
                await asyncio.shield(self._removal(exchange, reply.headers))
            except BaseException:  # its client leaves
                reply.drop()
                raise
        return reply

    def _removal(self, exchange: Exchange, fields: RawHeaders) -> asyncio.Task[None]:
        found = invalidated(exchange, fields, self._upstream, self._origins, self._mount)
        labels = list(found)
        return keep(asyncio.get_running_loop().create_task(self._remove(labels)), self._tasks)

    async def _remove(self, labels: Iterable[bytes]) -> None:
        # At once: a store that is slow is waited for once, and all of them are noted first.
        await asyncio.gather(*map(self._store.purge, labels))
