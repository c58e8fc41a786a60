"""Preconditions of requests, against a representation that is at hand (RFC 9110 13)."""

import re
from typing import Final

from proxy.http.date import date_of
from proxy.http.fields import Fields, RawHeaders, first, values

CONDITIONS: Final = frozenset({b"if-none-match", b"if-modified-since"})
"""What a cache may answer (RFC 9111 4.3.2)."""
FOR_ORIGINS: Final = frozenset({b"if-match", b"if-unmodified-since"})
"""What only the server can answer that has the resource."""

_TAG: Final = re.compile(rb'[Ww]/"[^"]*"|"[^"]*"|[^,\s]+')
_ANY: Final = b"*"


def entity_tags(lines: list[bytes]) -> list[bytes]:
    """The tags of If-None-Match, or ``*``; those without quotes, which some send, as they are."""
    return [tag for line in lines for tag in _TAG.findall(line)]


def is_conditional(asked: RawHeaders) -> bool:
    """Whether a request with these fields may be answered by 304."""
    return any(name.lower() in CONDITIONS for name, _ in asked)


def strong_tag(tag: bytes) -> bytes:
    """What weak comparison compares (RFC 9110 8.8.3.2): the tag without ``W/``, in quotes."""
    opaque = tag[2:] if tag[:2] in (b"W/", b"w/") else tag
    return opaque if opaque[:1] == b'"' else b'"%b"' % opaque


def not_modified(asked: RawHeaders, held: RawHeaders, received: float) -> bool:
    """Whether 304 answers a GET or HEAD with the fields ``asked``.

    ``held``: the fields of the reply at hand, which was ``received`` then (seconds since 1970).
    If-None-Match counts before If-Modified-Since (RFC 9110 13.2.2).
    """
    tags = values(asked, b"if-none-match")
    if tags:
        own = first(held, b"etag")
        found = entity_tags(tags)
        if _ANY in found:
            return True
        return own is not None and strong_tag(own) in map(strong_tag, found)
    since = values(asked, b"if-modified-since")
    if len(since) != 1 or (when := date_of(since[0])) is None:
        return False
    for name in (b"last-modified", b"date"):  # RFC 9111 4.3.2
        if (value := first(held, name)) is not None and (moment := date_of(value)) is not None:
            return moment <= when
    return received <= when


def range_applies(asked: RawHeaders, held: RawHeaders) -> bool:
    """Whether If-Range lets a Range count (RFC 9110 13.1.5); it does where there is none."""
    lines = values(asked, b"if-range")
    if not lines:
        return True
    wanted = lines[0]
    if wanted[:1] == b'"':
        return first(held, b"etag") == wanted
    when = date_of(wanted)
    modified, made = first(held, b"last-modified"), first(held, b"date")
    if when is None or modified is None or made is None:
        return False
    then, dated = date_of(modified), date_of(made)
    # A strong one: the reply was made a second or more after the change (RFC 9110 8.8.2.2).
    return then == when and then is not None and dated is not None and dated >= then + 1


def with_tags(ours: Fields, asked: RawHeaders) -> Fields:
    """What ``validators`` gave, asking for the tags of a client too (RFC 9111 4.3.1).

    ``asked``: the fields of its request. The same list where it has no other tag. Without a tag of
    ours those of a client would have the server look past If-Modified-Since.
    """
    own = first(ours, b"if-none-match")
    if own is None:
        return ours
    found = entity_tags(values(asked, b"if-none-match"))
    others = [tag for tag in found if tag[-1:] == b'"' and strong_tag(tag) != strong_tag(own)]
    if not others or _ANY in found:
        return ours
    return [(b"If-None-Match", b", ".join([own, *others])), *ours[1:]]


def names_tag(asked: RawHeaders, tag: bytes) -> bool:
    """Whether If-None-Match of a request names this tag."""
    return strong_tag(tag) in map(strong_tag, entity_tags(values(asked, b"if-none-match")))


def validators(held: RawHeaders) -> Fields:
    """The fields that ask whether the reply at hand is still right (RFC 9111 4.3.1)."""
    fields: Fields = []
    if (tag := first(held, b"etag")) is not None:
        fields.append((b"If-None-Match", tag))
    modified = first(held, b"last-modified")
    if modified is not None and date_of(modified) is not None:
        fields.append((b"If-Modified-Since", modified))
    return fields
