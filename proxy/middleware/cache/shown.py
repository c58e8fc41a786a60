"""The head of the usual answer from a stored reply, made once a second."""

from typing import Final

import msgspec

from proxy.core.stored import Entry
from proxy.http.fields import Encoded, RawHeaders, encode, has
from proxy.http.upstream_request_id import AN_ID

STATUS: Final = b"Cache-Status"


def status_field(words: str) -> tuple[bytes, bytes]:
    """Cache-Status (RFC 9211); ``words``: its parameters."""
    return (STATUS, b"sidecar-proxy; %b" % words.encode("ascii"))


class Shown(msgspec.Struct, frozen=True, gc=False):
    """The head of an answer; the next one within the same second has the same."""

    age: int
    """Seconds, as its client is told."""
    since: float
    """When the entry became as old as this."""
    until: float
    """When it is a second older, or stale."""
    words: str
    fields: RawHeaders
    encoded: Encoded


def shown_now(entry: Entry, age: int, since: float) -> Shown:
    """Of an entry that has been ``age`` seconds old since then."""
    lifetime = entry.meta.freshness.lifetime
    words = f"hit; ttl={int(lifetime) - age}"
    fields = (*entry.meta.fields, (b"Age", b"%d" % age), status_field(words))
    encoded = Encoded(
        fields,
        encode(fields, None),
        dated=has(fields, b"date"),
        ids=tuple([field for field in fields if AN_ID in field[0]]),
    )
    return Shown(age, since, since + min(1.0, lifetime - age), words, fields, encoded)
