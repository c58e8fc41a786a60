"""What an unsafe request makes invalid (RFC 9111 4.4)."""

from collections.abc import Iterable, Iterator
from typing import Final

from yarl import URL

from proxy.core.exchange import Exchange
from proxy.http.authority import DEFAULT_PORTS
from proxy.http.fields import RawHeaders, values
from proxy.http.target import within
from proxy.middleware.cache.labels import named_target, sent_label, url_label

_NAMED_IN: Final = (b"location", b"content-location")
_WRITE_ELSEWHERE: Final = frozenset({"COPY", "MOVE"})
"""To their Destination, whatever the reply says (RFC 4918 9.8, 9.9)."""


def invalidated(
    exchange: Exchange,
    fields: RawHeaders,
    upstream: bytes = b"",
    origins: Iterable[str] = (),
    mount: bytes = b"",
) -> Iterator[bytes]:
    """Labels of its own URL, and of what it or the reply's ``fields`` name of the same origin.

    ``origins``: what the upstream may call itself. ``mount``: what requests have lost, and what it
    may name nevertheless.
    """
    named_too = targets(exchange, fields, origins)
    changed = [exchange.target, *named_too]
    if mount:
        inside = [each for each in named_too if within(each.partition(b"?")[0], mount)]
        changed += [b"/" + each[len(mount) :].removeprefix(b"/") for each in inside]
    named = named_target(exchange)
    for host in _spellings(exchange):
        if named != exchange.target:
            yield url_label(exchange, host, named)
        for target in changed:  # other clients may name it so, or be sent there
            yield url_label(exchange, host, target)
            yield sent_label(exchange, host, target, upstream)


def targets(
    exchange: Exchange, fields: RawHeaders, origins: Iterable[str] = ()
) -> dict[bytes, None]:
    """What request and reply name of the origin that was asked, but for what was asked for."""
    references = [value for name in _NAMED_IN for value in values(fields, name)]
    if exchange.method in _WRITE_ELSEWHERE:
        references += values(exchange.headers, b"destination")
    found = dict.fromkeys(_target(exchange, each, origins) for each in references)
    return {each: None for each in found if each is not None and each != exchange.target}


def _spellings(exchange: Exchange) -> tuple[str, ...]:
    """A host with and without the port that is meant without one."""
    port = DEFAULT_PORTS.get(exchange.scheme.encode(), b"").decode()
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
        if _origin(found) != _origin(base) and not _names_upstream(found, origins):
            return None
    except ValueError:
        return None
    target = found.raw_path_qs.encode("latin-1")
    empty_query = reference.partition(b"#")[0].endswith(b"?") and b"?" not in target
    return target + b"?" if empty_query else target


def _names_upstream(url: URL, origins: Iterable[str]) -> bool:
    """Whether it names one of these, by http or https: an upstream may take its scheme from what
    it is told of the client (X-Forwarded-Proto)."""
    return url.scheme in ("http", "https") and any(
        _authority(url) == _authority(URL(origin)) for origin in origins
    )


def _authority(url: URL) -> tuple[str, int | None]:
    return (url.host or "").lower(), None if url.is_default_port() else url.port


def _origin(url: URL) -> tuple[str, str, int | None]:
    return url.scheme.lower(), (url.host or "").lower(), url.port
