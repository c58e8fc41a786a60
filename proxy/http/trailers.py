"""Fields behind a chunked body (RFC 9110 6.5, RFC 9112 7.1.2).

They are passed on as trailers or not at all, never merged into the head: by then the head has been
acted on, here and elsewhere.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Final

from proxy.http.chunked import LAST_CHUNK
from proxy.http.client_cert import names_client_cert
from proxy.http.fields import DASHED, Fields, RawHeaders, encode
from proxy.http.grammar import members

# RFC 9110 6.5.1: what frames, routes, modifies, authenticates or describes a message has its place
# in the head; and so have the fields by which proxies say who sent it, and for which path.
# Proxy-Status may stand there: what breaks behind the head can be told nowhere else (RFC 9209 2).
_FORBIDDEN: Final = frozenset(
    b"""
    accept accept-charset accept-encoding accept-language age allow authorization cache-control
    connection content-encoding content-language content-length content-location content-range
    content-type cookie date expect expires forwarded from host http2-settings if-match
    if-modified-since if-none-match if-range if-unmodified-since keep-alive last-modified location
    max-forwards origin path-info pragma proxy-authenticate proxy-authentication-info
    proxy-authorization proxy-connection range referer retry-after script-name
    set-cookie te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate
    x-real-ip x-request-id
    """.split()
)
_PREFIXES: Final = (b"x-forwarded-", b"sec-", b"access-control-")


def _may_trail(name: bytes) -> bool:
    low = DASHED[name]
    if low in _FORBIDDEN or low.startswith(_PREFIXES):
        return False
    return not names_client_cert(name)


def last_chunk(trailers: RawHeaders, but: AbstractSet[bytes] = frozenset()) -> bytes:
    """The end of a chunked body, with those of its trailers that may stand there.

    ``but``: names, as ``DASHED`` has them, that may not.
    """
    if not trailers:
        return LAST_CHUNK
    passed = [field for field in trailers if DASHED[field[0]] not in but and _may_trail(field[0])]
    return b"0\r\n%b\r\n" % encode(passed, None)


def announcement(fields: RawHeaders) -> Fields:
    """The Trailer fields, less the names that are not passed on."""
    kept = []
    for name, value in fields:
        if len(name) == len(b"trailer") and name.lower() == b"trailer":
            names = [member for member in members(value) if _may_trail(member)]
            if names:
                kept.append((name, b", ".join(names)))
    return kept


def announced_less(fields: RawHeaders, drops: Callable[[bytes], bool]) -> Fields:
    """The fields of a head, with those names left out of its Trailer fields that will not come."""
    kept: Fields = []
    for field in fields:
        if len(field[0]) == len(b"trailer") and field[0].lower() == b"trailer":
            names = [member for member in members(field[1]) if not drops(member)]
            if names:
                kept.append((field[0], b", ".join(names)))
        else:
            kept.append(field)
    return kept


def takes_trailers(te: bytes) -> bool:
    """Whether a TE field says so (RFC 9110 10.1.4)."""
    return b"trailers" in members(te.lower())
