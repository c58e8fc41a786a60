"""What a target is stored under."""

from proxy.core.exchange import Exchange
from proxy.http.bounded_cache import BoundedCache
from proxy.middleware.cache.asked import stable_digest
from proxy.middleware.cache.meanings import address, lower


class Keys:
    """The keys of one upstream: digests, since a query may hold secrets."""

    __slots__ = ("_known", "_prefix")

    def __init__(self, upstream: str) -> None:
        self._prefix = upstream.encode()
        self._known: BoundedCache[tuple[bytes, str, str], bytes] = BoundedCache(4096, 4 << 20)

    def of(self, exchange: Exchange) -> bytes:
        """For what it asks for."""
        return self.of_target(exchange, exchange.target, exchange.host)

    def of_target(self, exchange: Exchange, target: bytes, host: str) -> bytes:
        """For another target, by the scheme of ``exchange`` and what its fields say beside that."""
        own = (target, host, exchange.scheme)
        key = self._known.get(own)
        if key is None:
            key = stable_digest(self._prefix, exchange.scheme.encode(), lower(host), target)
            self._known.remember(own, key, len(target) + len(host))
        named = address(exchange.headers, exchange.host, exchange.scheme)
        return stable_digest(key, *named) if named else key
