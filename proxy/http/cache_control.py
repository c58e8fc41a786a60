"""What Cache-Control and the fields beside it say (RFC 9111 5.2, RFC 9213).

Which replies are meant for whoever asked, and nobody else; and the directives with their values.
"""

import re
from collections import UserString
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from proxy.http.bounded_cache import Memo
from proxy.http.equivalence import TRACING_FIELDS
from proxy.http.fields import RawHeaders, values
from proxy.http.grammar import TCHAR, members, unquoted

Directives: TypeAlias = dict[bytes, bytes | None]
"""Names in lower case, and their values; None for a directive without one."""

_UNSHARED: Final = frozenset({b"private", b"no-store", b"no-cache"})
_CACHE_CONTROL: Final = (b"cache-control", b"surrogate-control", b"pragma")
OF_ONE_CLIENT: Final = frozenset(
    b"""set-cookie set-cookie2 www-authenticate proxy-authenticate authentication-info
    proxy-authentication-info clear-site-data""".split()
)
"""Fields that speak to one client, or continue a login."""
_ONE: Final = b"one"
_CONTROL: Final = b"control"
_OF_ONE: Final = frozenset({401, 407, 421, 425, 429})
"""Statuses that are about who asked, or about the connection it came on."""
_MEMBER: Final = re.compile(rb'(?>(?:[^,"]++|"(?>(?:[^"\\]++|\\.)*)(?:"|\\?\Z))+)', re.DOTALL)
"""A member of a list; a comma within quotes does not end it. A quoted string that does not end goes
on to the end: else each quote in it would be tried as the first one of another."""
_QUALIFIED: Final = (b"no-cache", b"private")
"""Directives that may name fields; then they are about those fields alone."""
_TOKEN: Final = re.compile(rb"[%b]+" % TCHAR)
_SWITCHES: Final = frozenset({b"true", b"false", b"yes", b"no", b"on", b"off"})
"""Values of directives that were meant as switches, though fields could be called so."""
_RESTRICTING: Final = frozenset(
    b"private no-store no-cache must-revalidate proxy-revalidate".split()
)
_LIFETIMES: Final = (b"max-age", b"s-maxage")
_SEPARATOR: Final = re.compile(rb'[;,"\s]+')
_DIRECTIVE: Final = re.compile(rb'[%b]+(?:=(?:[^";\s]*|"(?:[^"\\]|\\.)*"))?' % TCHAR, re.DOTALL)
"""One that is well-formed, or has at least an end."""
_SECONDS: Final = (b"max-age", b"s-maxage", b"stale-while-revalidate", b"stale-if-error")
MOST: Final = 2**31
"""Seconds; what is more is this (RFC 9111 1.2.2)."""


def for_one_client(status: int, fields: RawHeaders) -> bool:
    """Whether a reply may be meant for one client only (RFC 9111 3, 4.1)."""
    if status in _OF_ONE:
        return True
    for name, value in fields:
        if meaning := _MEANINGS[name]:
            if meaning is _ONE:
                return True
            if (_RESTRICTS if meaning is _CONTROL else _TELLS_APART)[value]:
                return True
    return False


def _meaning(name: bytes) -> bytes:
    """What a field says of who may have a reply; nothing of most."""
    low = name.lower()
    if low in OF_ONE_CLIENT:
        return _ONE
    # Also the fields for one kind of cache (RFC 9213), and Pragma of HTTP/1.0 (RFC 9111 5.4).
    if low.endswith(_CACHE_CONTROL):
        return _CONTROL
    return low if low == b"vary" else b""


_MEANINGS: Final = Memo(_meaning, 2048)
_RESTRICTS: Final = Memo(lambda value: not _UNSHARED.isdisjoint(cache_directives((value,))), 512)
_TELLS_APART: Final = Memo(
    lambda value: any(word == b"*" or word in TRACING_FIELDS for word in directives(value)), 512
)
"""What values say; an API sends few different ones."""


def directives(value: bytes) -> list[bytes]:
    """The members of a list in lower case, without what they say: ``max-age=1`` is ``max-age``."""
    return [member.partition(b"=")[0].strip(b" \t") for member in members(value.lower())]


def cache_directives(lines: Iterable[bytes]) -> Directives:
    """The directives of all Cache-Control lines, quotes around values removed.

    Of a directive that comes twice the first one counts (RFC 9111 4.2.1). But no-cache and private
    without field names count before those with names, and the names of several are put together.
    Of what is malformed, as where a comma is missing or a quote does not end, only that counts
    which forbids something.
    """
    found: Directives = {}
    for line in lines:
        for found_member in _MEMBER.findall(line):
            member = found_member.strip(b" \t")
            if not _DIRECTIVE.fullmatch(member):
                _restrict(found, member)
                continue
            name, equals, value = member.partition(b"=")
            name = name.lower()
            if value[:1] == b'"':
                value = unquoted(value[1:-1])
            said = _about_fields(name, value if equals else None)
            if name in found:
                before = found[name]
                if name in _QUALIFIED and before is not None:
                    found[name] = None if said is None else b"%b, %b" % (before, said)
                continue
            found[name] = said
    return found


def _restrict(found: Directives, member: bytes) -> None:
    """What the words of something malformed forbid; no number of theirs counts."""
    for word in _SEPARATOR.split(member.lower()):
        name = word.partition(b"=")[0]
        if name in _RESTRICTING:
            found[name] = None
        elif name in _LIFETIMES:
            found.setdefault(name, b"")


def _about_fields(name: bytes, value: bytes | None) -> bytes | None:
    """None where ``private="..."`` and the like name anything but fields: ``private=1`` and
    ``private=("A" "B")`` are about the whole reply, since something was to be forbidden."""
    if name not in _QUALIFIED or value is None:
        return value
    named = [part for each in value.split(b",") if (part := each.strip(b" \t"))]
    if not named or not all(map(_is_field_name, named)):
        return None
    return value


def _is_field_name(word: bytes) -> bool:
    low = word.lower()
    return low != word.upper() and low not in _SWITCHES and _TOKEN.fullmatch(word) is not None


def delta_seconds(value: bytes | None) -> int | None:
    """A number of seconds (RFC 9111 1.2.2); None where it is none."""
    if value is None or not value.isdigit():
        return None
    digits = value.lstrip(b"0") or b"0"
    return MOST if len(digits) > 10 else min(int(digits), MOST)


def targeted(fields: RawHeaders, targets: Iterable[bytes]) -> Directives | None:
    """The directives of the first of these fields that is there and is valid (RFC 9213 2.1, 2.2).

    ``targets`` in lower case. A field that is empty or malformed is as if it were not there. Of a
    directive whose number is of a wrong type only that number does not count: a lifetime is 0 then.
    """
    for name in targets:
        lines = values(fields, name)
        if lines:
            found = _dictionary(b", ".join(lines))
            if found:
                return found
    return None


def _dictionary(text: bytes) -> Directives | None:
    try:
        members_ = _parser()(text, tltype="dictionary")
    except ValueError:
        return None
    found: Directives = {}
    for key, (value, *_) in members_.items():
        name = str(key).encode()
        number = isinstance(value, int) and not isinstance(value, bool)
        if name in _SECONDS and not (number and value >= 0):
            if name in _LIFETIMES:
                found[name] = b""
            continue
        if value is False:
            continue
        words = isinstance(value, str | UserString)  # a string or a token; all else names no field
        said = None if value is True else str(value).encode("latin-1", "replace")
        if name in _QUALIFIED and not words:
            said = None
        found[name] = _about_fields(name, said)
    return found


def _parser() -> Callable[..., Any]:
    """Structured fields (RFC 9651); imported by those who need it, since it takes 9 ms."""
    import http_sf  # noqa: PLC0415 - few replies have such fields

    return http_sf.parse
