"""Which fields go through a proxy, and how it signs (RFC 9110 7.6)."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, TypeAlias

from proxy.core.fields import RawHeaders

TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""Names of fields and methods (RFC 9110 5.6.2)."""

# Trailers are not forwarded, so TE and Trailer end here too. HTTP2-Settings: RFC 7540 3.2.1.
HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
FRAMING: Final = frozenset({b"content-length", b"host", b"transfer-encoding"})
"""What whoever writes a message writes itself."""

_REQUEST: Final = HOP_BY_HOP | FRAMING
_REPLY: Final = HOP_BY_HOP | {b"content-length", b"x-request-id"}
_CONNECTION: Final = b"connection"
_REMEMBERED: Final = 4096
_known_requests: Final[dict[bytes, bool]] = {}
_known_replies: Final[dict[bytes, bool]] = {}
"""Whether a name is dropped, by its spelling; bounded, since clients choose spellings."""
Fields: TypeAlias = list[tuple[bytes, bytes]]
_BARE: Final = frozenset({b"keep-alive", b"close", b"upgrade", b""})

# RFC 9110 7.6.1: a Connection option may not name what is meant for every recipient. A client
# that could take these away would hide who it is from the upstream, or split what two readers see.
PROTECTED: Final = frozenset(
    b"""
    accept accept-encoding accept-language accept-ranges age allow authorization cache-control
    content-disposition content-encoding content-language content-length content-location
    content-range content-type cookie date etag expect expires forwarded from host idempotency-key
    if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location
    max-forwards origin pragma proxy-status range referer retry-after server set-cookie
    strict-transport-security traceparent tracestate user-agent vary via www-authenticate
    x-api-key x-real-ip x-request-id
    """.split()
)
_PROTECTED_PREFIXES: Final = (b"x-forwarded-", b"sec-", b"access-control-")


def end_to_end_request(raw: RawHeaders) -> list[tuple[bytes, bytes]]:
    """What of a request goes upstream: order, case, duplicates and bytes as they came.

    Host and the framing are left to whoever writes the request.
    """
    return _end_to_end(raw, _REQUEST, _known_requests)


def end_to_end_response(raw: RawHeaders) -> list[tuple[bytes, bytes]]:
    """What of a reply goes to the client.

    The framing and the request id are left to whoever writes the reply.
    """
    return _end_to_end(raw, _REPLY, _known_replies)


def _end_to_end(raw: RawHeaders, dropped: frozenset[bytes], known: dict[bytes, bool]) -> Fields:
    kept = []
    named: set[bytes] | None = None
    for field in raw:
        name = field[0]
        drop = known.get(name)
        if drop is None:
            drop = name.lower() in dropped
            if len(known) < _REMEMBERED:
                known[name] = drop
        if not drop:
            kept.append(field)
        elif len(name) == len(_CONNECTION) and name.lower() == _CONNECTION:
            options = field[1].lower()
            if options not in _BARE:
                if named is None:
                    named = set()
                named.update(_options(options))
    if named:
        kept = [field for field in kept if field[0].lower() not in named]
    return kept


def _options(value: bytes) -> Iterable[bytes]:
    """The fields that one Connection field takes away, of those that it may."""
    for option in value.split(b","):
        name = option.strip(b" \t")
        if name not in PROTECTED and not name.startswith(_PROTECTED_PREFIXES):
            yield name


@lru_cache(maxsize=16)
def via(instance: str, version: tuple[int, int]) -> bytes:
    """The value of Via for a message that arrived in this version of HTTP."""
    return b"%d.%d %b" % (*version, _pseudonym(instance))


def loops(fields: RawHeaders, instance: str) -> bool:
    """Whether this very instance has seen the message already."""
    for name, value in fields:
        if (
            len(name) == len(b"via")
            and name.lower() == b"via"
            and any(member.split()[1:2] == [_pseudonym(instance)] for member in value.split(b","))
        ):
            return True
    return False


def _pseudonym(instance: str) -> bytes:
    return b"sidecar-proxy-" + instance.encode("ascii")
