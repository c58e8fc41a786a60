"""How an entry is validated: what is sent for it, and what a 304 speaks of (RFC 9111 4.3)."""

from typing import Final

from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.core.stored import Entry
from proxy.http.conditional import CONDITIONS, first, names_tag, strong_tag, validators
from proxy.http.fields import Fields, RawHeaders

REPLACED: Final = CONDITIONS | {b"range", b"if-range"}
"""Fields of a client that are left out where an entry is validated."""


def sent_validators(exchange: Exchange, entry: Entry) -> Fields:
    """What asks whether an entry is still right; nothing in a POST, which knows no 304."""
    return [] if exchange.method == "POST" else validators(entry.meta.fields)


def is_confirmed(entry: Entry | None, reply: Reply) -> bool:
    """Whether a 304 to our validators speaks of this entry: its ETag is none, or the same."""
    tag = first(reply.headers, b"etag")
    own = None if entry is None else first(entry.meta.fields, b"etag")
    return tag is None or own is None or strong_tag(tag) == strong_tag(own)


def is_of_client(asked: RawHeaders, reply: Reply) -> bool:
    """Whether a 304 that does not speak of our entry says that its client has what counts now."""
    tag = first(reply.headers, b"etag")
    return tag is not None and names_tag(asked, tag)


def without_all(fields: RawHeaders, dropped: frozenset[bytes]) -> Fields:
    """The fields but for those of these names."""
    return [(name, value) for name, value in fields if name.lower() not in dropped]
