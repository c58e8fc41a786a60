"""What an unsafe request makes invalid (RFC 9111 4.4)."""

from collections.abc import Iterator
from typing import Final

from yarl import URL

from proxy.core.exchange import Exchange
from proxy.core.stored import Store
from proxy.http.fields import RawHeaders, values
from proxy.middleware.cache.filling import label
from proxy.middleware.cache.keying import Keys

_NAMED_IN: Final = (b"location", b"content-location")
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


async def invalidate(store: Store, keys: Keys, exchange: Exchange, fields: RawHeaders) -> None:
    """Remove it, and what is on its way into the store; ``fields`` of the reply."""
    for host, target in invalidated(exchange, fields):
        key = keys.of_target(exchange, target, host)
        await store.delete(key)
        await store.purge(label(b"target", key))  # QUERYs of the same target


def invalidated(exchange: Exchange, fields: RawHeaders) -> Iterator[tuple[str, bytes]]:
    """Hosts and targets: its own, and what the reply's ``fields`` name of the same origin."""
    targets = [exchange.target]
    for name in _NAMED_IN:
        for value in values(fields, name):
            target = _target(exchange, value)
            if target is not None and target not in targets:
                targets.append(target)
    for host in _spellings(exchange):
        for target in targets:
            yield host, target


def _spellings(exchange: Exchange) -> tuple[str, ...]:
    """A host with and without the port that is meant without one."""
    port = _DEFAULT_PORTS.get(exchange.scheme, "")
    bare = exchange.host.removesuffix(port)
    if bare != exchange.host:
        return exchange.host, bare
    if ":" in exchange.host.rpartition("]")[2]:
        return (exchange.host,)
    return exchange.host, exchange.host + port


def _target(exchange: Exchange, reference: bytes) -> bytes | None:
    """The target of a reference; None where it is of another origin, or none at all."""
    try:
        base = URL(f"{exchange.scheme}://{exchange.host}", encoded=True)
        own = base.join(URL(exchange.target.decode("latin-1"), encoded=True))
        found = own.join(URL(reference.decode("latin-1"), encoded=True))
        if _origin(found) != _origin(base):
            return None
    except ValueError:
        return None
    target = found.raw_path_qs.encode("latin-1")
    empty_query = reference.partition(b"#")[0].endswith(b"?") and b"?" not in target
    return target + b"?" if empty_query else target


def _origin(url: URL) -> tuple[str, str, int | None]:
    return url.scheme.lower(), (url.host or "").lower(), url.port
