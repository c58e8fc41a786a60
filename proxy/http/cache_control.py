"""Which replies are meant for whoever asked, and nobody else (RFC 9111)."""

from typing import Final

from proxy.http.equivalence import TRACING_FIELDS
from proxy.http.fields import RawHeaders
from proxy.http.grammar import members

_UNSHARED: Final = frozenset({b"private", b"no-store", b"no-cache"})
_CACHE_CONTROL: Final = (b"cache-control", b"surrogate-control", b"pragma")
_PRIVATE: Final = frozenset(
    b"""set-cookie set-cookie2 www-authenticate proxy-authenticate authentication-info
    proxy-authentication-info clear-site-data""".split()
)
"""Fields that speak to one client, or continue a login."""
_OF_ONE: Final = frozenset({401, 407, 421, 425, 429})
"""Statuses that are about who asked, or about the connection it came on."""


def for_one_client(status: int, fields: RawHeaders) -> bool:
    """Whether a reply may be meant for one client only (RFC 9111 3, 4.1)."""
    if status in _OF_ONE:
        return True
    for name, value in fields:
        low = name.lower()
        if low in _PRIVATE:
            return True
        # Also the fields for one kind of cache (RFC 9213), and Pragma of HTTP/1.0 (RFC 9111 5.4).
        if low.endswith(_CACHE_CONTROL) and not _UNSHARED.isdisjoint(directives(value)):
            return True
        if low == b"vary" and any(
            word == b"*" or word in TRACING_FIELDS for word in directives(value)
        ):
            return True
    return False


def directives(value: bytes) -> list[bytes]:
    """The members of a list in lower case, without what they say: ``max-age=1`` is ``max-age``."""
    return [member.partition(b"=")[0].strip(b" \t") for member in members(value.lower())]
