"""What a target is stored under."""

from collections.abc import Sequence
from typing import Final

from proxy.core.exchange import Exchange
from proxy.http.bounded_cache import BoundedCache
from proxy.middleware.cache.asked import in_parts, stable_digest, with_part
from proxy.middleware.cache.meanings import lower

_FORM: Final = b"3"
"""Another one where other things stand under a key: then nothing that is stored is found."""


class Keys:
    """The keys of a route: digests, since a query may hold secrets."""

    __slots__ = ("_plain",)

    def __init__(self, upstream: str, field_changes: bytes = b"") -> None:
        """``field_changes``: how the route changes the fields of requests, see ``Scope``.

        Two routes may make one target of two, and tell the upstream in a field which one it was.
        """
        prefix = upstream.encode()
        if field_changes:
            prefix += b"\0" + stable_digest(field_changes)
        self._plain = _Plain(prefix)

    def of(self, exchange: Exchange, named: Sequence[bytes]) -> bytes:
        """For what it asks for; ``named``: what its fields say of the address (``address``)."""
        key = self._plain[exchange.target, exchange.host, exchange.scheme]
        return stable_digest(key, *named) if named else key


class _Plain(BoundedCache[tuple[bytes, str, str], bytes]):
    """By target, host and scheme, where no field says anything beside them."""

    __slots__ = ("_starts",)

    def __init__(self, prefix: bytes) -> None:
        super().__init__(4096, 4 << 20)
        self._starts = _Starts(prefix)

    def __missing__(self, asked: tuple[bytes, str, str]) -> bytes:
        target, host, scheme = asked
        key = with_part(self._starts[host, scheme], target)
        self.remember(asked, key, len(target) + len(host))
        return key


class _Starts(BoundedCache[tuple[str, str], bytes]):
    """What all keys of a host have before the target, see ``with_part``."""

    __slots__ = ("_prefix",)

    def __init__(self, prefix: bytes) -> None:
        super().__init__(1024, 1 << 20)
        self._prefix = prefix

    def __missing__(self, named: tuple[str, str]) -> bytes:
        host, scheme = named
        start = in_parts(_FORM, self._prefix, scheme.encode(), lower(host))
        self.remember(named, start, 3 * len(host))
        return start
