"""What stored replies are removed by: URL, path, route, tags (``Cache-Tag``, ``Surrogate-Key``)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Final

from proxy.core.exchange import Exchange
from proxy.http.bounded_cache import BoundedCache
from proxy.http.grammar import members
from proxy.middleware.cache.meanings import lower

_ABSOLUTE: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_KINDS: Final = {kind: b"%d:%b" % (len(kind), kind) for kind in b"path route sent tag url".split()}
_TAGS: Final = (b"cache-tag", b"surrogate-key")


class _Origins(BoundedCache[tuple[str, str], bytes]):
    """Scheme and host in one, as labels have them."""

    __slots__ = ()

    def __missing__(self, named: tuple[str, str]) -> bytes:
        scheme, host = named
        origin = b"%b://%b " % (scheme.encode(), lower(host))
        self.remember(named, origin, 3 * len(host))
        return origin


_ORIGINS: Final = _Origins(1024, 1 << 20)


def label(kind: bytes, value: bytes) -> bytes:
    """What stands for a path, a route or a tag: ``kind`` is one of these words."""
    # The same as ``stable_digest(kind, value)`` in half the time: most replies have one of its own.
    text = b"%b%d:%b" % (_KINDS[kind], len(value), value)
    return blake2b(text, digest_size=16).digest()


def url_label(exchange: Exchange, host: str, target: bytes) -> bytes:
    """Of a URL as clients name it, whichever upstream it is for."""
    return label(b"url", _ORIGINS[exchange.scheme, host] + target)


def sent_label(exchange: Exchange, host: str, target: bytes, upstream: bytes) -> bytes:
    """Of one as an upstream is asked for it, where the route rewrites what clients name."""
    return label(b"sent", b"%b %b%b" % (upstream, _ORIGINS[exchange.scheme, host], target))


def named_target(exchange: Exchange) -> bytes:
    """The target that its client named, in origin-form."""
    raw = exchange.raw_target
    if raw[:1] == b"/":
        return raw
    found = _ABSOLUTE.match(raw)
    if found is None:
        return exchange.target
    rest = raw[found.end() :]
    return rest if rest[:1] == b"/" else b"/" + rest  # an empty path is "/" (RFC 9110 4.2.3)


def labels_of_request(exchange: Exchange, upstream: bytes) -> list[bytes]:
    """What a write of the same URL removes, or one of another URL that is sent as the same one."""
    named = exchange.raw_target
    if named[:1] != b"/":
        named = named_target(exchange)
    found = [url_label(exchange, exchange.host, named)]
    if named != exchange.target:
        found.append(sent_label(exchange, exchange.host, exchange.target, upstream))
    return found


def labels_of(exchange: Exchange, route: bytes, upstream: bytes) -> list[bytes]:
    """All labels of a reply but for those of its tags; ``route``: that of its route."""
    path, named = exchange.path.encode(), exchange.raw_target
    sent = named.partition(b"?")[0]
    if sent == path and named == exchange.target:  # as nearly always, so without another call
        url = label(b"url", _ORIGINS[exchange.scheme, exchange.host] + named)
        return [route, label(b"path", path), url]
    labels = [route, label(b"path", path), *labels_of_request(exchange, upstream)]
    if sent != path:
        labels.append(label(b"path", sent))
    return labels


def tag_labels(found: Mapping[bytes, Sequence[bytes]]) -> set[bytes]:
    """Those of the tags in the fields ``found``."""
    return {each for name in _TAGS if name in found for each in _tag_labels(name, found[name])}


def _tag_labels(name: bytes, lines: Sequence[bytes]) -> Iterator[bytes]:
    for value in lines:
        for tag in members(value) if name == b"cache-tag" else value.split():
            yield label(b"tag", tag)
