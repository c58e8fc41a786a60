"""What an unsafe request makes invalid (RFC 9111 4.4)."""

from collections.abc import Iterable, Iterator
from typing import Final

from yarl import URL

from proxy.core.exchange import Exchange
from proxy.core.stored import Store
from proxy.http.fields import RawHeaders, values
from proxy.middleware.cache.keying import Keys
from proxy.middleware.cache.labels import label

_NAMED_IN: Final = (b"location", b"content-location")
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


async def invalidate(
    store: Store,
    upstreams: Iterable[Keys],
    exchange: Exchange,
    fields: RawHeaders,
    origins: Iterable[str] = (),
) -> None:
    """Remove it, and what is on its way into the store; ``fields`` of the reply."""
    for host, target in invalidated(exchange, fields, origins):
        for keys in upstreams:
            key = keys.of_target(exchange, target, host)
            await store.delete(key)
            # QUERYs of the same target, and what is stored for one owner alone.
            await store.purge(label(b"target", key))


def invalidated(
    exchange: Exchange, fields: RawHeaders, origins: Iterable[str] = ()
) -> Iterator[tuple[str, bytes]]:
    """Hosts and targets: its own, and what the reply's ``fields`` name of the same origin.

    ``origins``: what the upstream may call itself.
    """
    targets = [exchange.target]
    for name in _NAMED_IN:
        for value in values(fields, name):
            target = _target(exchange, value, origins)
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


def _target(exchange: Exchange, reference: bytes, origins: Iterable[str]) -> bytes | None:
    """The target of a reference; None where it is of another origin, or none at all."""
    try:
        base = URL(f"{exchange.scheme}://{exchange.host}", encoded=True)
        own = base.join(URL(exchange.target.decode("latin-1"), encoded=True))
        found = own.join(URL(reference.decode("latin-1"), encoded=True))
        origin = _origin(found)
        if origin != _origin(base) and all(origin != _origin(URL(each)) for each in origins):
            return None
    except ValueError:
        return None
    target = found.raw_path_qs.encode("latin-1")
    empty_query = reference.partition(b"#")[0].endswith(b"?") and b"?" not in target
    return target + b"?" if empty_query else target


def _origin(url: URL) -> tuple[str, str, int | None]:
    return url.scheme.lower(), (url.host or "").lower(), url.port
