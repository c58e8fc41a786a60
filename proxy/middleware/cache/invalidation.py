"""What an unsafe request makes invalid (RFC 9111 4.4)."""

from collections.abc import Iterator
from typing import Final

from yarl import URL

from proxy.core.exchange import Exchange
from proxy.http.fields import RawHeaders, values

_NAMED_IN: Final = (b"location", b"content-location")


def invalidated(exchange: Exchange, fields: RawHeaders) -> Iterator[bytes]:
    """The targets: its own, and what the reply's ``fields`` name of the same origin."""
    yield exchange.target
    for name in _NAMED_IN:
        for value in values(fields, name):
            target = _target(exchange, value)
            if target is not None and target != exchange.target:
                yield target


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
    return found.raw_path_qs.encode("latin-1")


def _origin(url: URL) -> tuple[str, str, int | None]:
    return url.scheme.lower(), (url.host or "").lower(), url.port
