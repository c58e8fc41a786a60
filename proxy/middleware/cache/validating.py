"""How an entry is validated: what is sent for it, and what a 304 speaks of (RFC 9111 4.3)."""

from typing import Final

from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.core.stored import Entry
from proxy.http.cache_control import delta_seconds
from proxy.http.conditional import CONDITIONS, names_tag, strong_tag, validators
from proxy.http.date import date_of
from proxy.http.fields import Fields, RawHeaders, first
from proxy.policy.freshness import initial_age

_AGE: Final = frozenset({b"age"})
REPLACED: Final = CONDITIONS | {b"range", b"if-range"}
"""Fields of a client that are left out where an entry is validated."""


def sent_validators(exchange: Exchange, entry: Entry) -> Fields:
    """What asks whether an entry is still right; nothing in a POST, which knows no 304."""
    return [] if exchange.method == "POST" else validators(entry.meta.fields)


def is_confirmed(entry: Entry | None, reply: Reply) -> bool:
    """Whether a 304 to our validators speaks of this entry (RFC 9111 4.3.4).

    Its ETag says so where both have one. Else its Last-Modified must not be another one: servers
    answer 304 to any date that is not before their own, so also where an older file is back.
    """
    if entry is None:
        return True
    tag, own = first(reply.headers, b"etag"), first(entry.meta.fields, b"etag")
    if tag is not None and own is not None:
        return strong_tag(tag) == strong_tag(own)
    named = first(reply.headers, b"last-modified")
    held = first(entry.meta.fields, b"last-modified")
    return named is None or held is None or named == held or date_of(named) == date_of(held)


def is_of_client(asked: RawHeaders, reply: Reply) -> bool:
    """Whether a 304 that does not speak of our entry says that its client has what counts now."""
    tag = first(reply.headers, b"etag")
    return tag is not None and names_tag(asked, tag)


def with_age(answer: Reply, of_304: RawHeaders, sent_at: float, now: float) -> Reply:
    """The answer, as old as a 304 says that is not stored (RFC 9111 4.2.3, 5.1).

    ``sent_at``: when that was asked for; ``now``: when it came.
    """
    old, date = first(of_304, b"age"), first(of_304, b"date")
    said = None if old is None else delta_seconds(old.partition(b",")[0].strip(b" \t"))
    age = initial_age(said, None if date is None else date_of(date), sent_at, now, now)
    answer.headers = [*without_all(answer.headers, _AGE), (b"Age", b"%d" % age)]
    return answer


def without_all(fields: RawHeaders, dropped: frozenset[bytes]) -> Fields:
    """The fields but for those of these names."""
    return [(name, value) for name, value in fields if name.lower() not in dropped]
