"""What stored replies are removed by: path, route, tags (``Cache-Tag``, ``Surrogate-Key``)."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final

from proxy.http.grammar import members
from proxy.middleware.cache.asked import Asked

MOST: Final = 1000
"""Labels of one reply; one with more is not stored, since a purge by one of them has to find it."""
_TAGS: Final = (b"cache-tag", b"surrogate-key")


def labels_of(
    asked: Asked, found: Mapping[bytes, Sequence[bytes]], route: bytes, *, public: bool
) -> list[bytes]:
    """Digests of what the reply can be purged by; ``route``: that of its route."""
    exchange = asked.exchange
    path, sent = exchange.path.encode(), exchange.raw_target.partition(b"?")[0]
    labels = {route, label(b"path", path)}
    if sent != path:
        labels.add(label(b"path", sent))
    if asked.content is not None or (asked.owner and not public):  # its key is not the target's
        labels.add(label(b"target", asked.target_key))
    for name in _TAGS:
        if name not in found:
            continue
        for value in found[name]:
            tags = members(value) if name == b"cache-tag" else value.split()
            labels.update(label(b"tag", tag) for tag in tags)
    return list(labels)


def label(kind: bytes, value: bytes) -> bytes:
    """What stands for a path, a route or a tag: ``kind`` is one of these words."""
    # The same as ``stable_digest(kind, value)`` in half the time: most replies have one of its own.
    text = b"%d:%b%d:%b" % (len(kind), kind, len(value), value)
    return blake2b(text, digest_size=16).digest()
