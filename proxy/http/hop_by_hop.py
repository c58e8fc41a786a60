"""Which fields go through a proxy, and how it signs (RFC 9110 7.6)."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from proxy.http.bounded_cache import Memo
from proxy.http.fields import Fields, RawHeaders, values
from proxy.http.grammar import members
from proxy.http.request_id import REQUEST_ID_LOWER
from proxy.http.upstream_request_id import UPSTREAM_ID

# TE and Trailer are made anew, see http/trailers. HTTP2-Settings: RFC 7540 3.2.1.
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
_REPLY: Final = HOP_BY_HOP | {b"content-length", REQUEST_ID_LOWER}
_CONNECTION: Final = b"connection"
_CONNECTION_SIZE: Final = len(_CONNECTION)
_REQUEST_ID_SIZE: Final = len(REQUEST_ID_LOWER)
_MARK: Final = b"x-sidecar-proxy"
OF_PROXIES: Final = HOP_BY_HOP | {b"via", _MARK}
"""What proxies tell each other: nothing of it goes through them as it came, but for Via."""
_known_requests: Final = Memo(lambda name: name.lower() in _REQUEST, 2048)
_known_replies: Final = Memo(lambda name: name.lower() in _REPLY, 2048)
"""Whether a name is dropped, by its spelling."""
_BARE: Final = frozenset({b"keep-alive", b"close", b"upgrade", b""})

# RFC 9110 7.6.1: a Connection option may not name what is meant for every recipient. A client
# that could take these away would hide who it is from the upstream, or split what two readers see.
PROTECTED: Final = frozenset(
    b"""
    accept accept-encoding accept-language accept-ranges age allow authorization cache-control
    client-cert client-cert-chain content-disposition content-encoding content-language
    content-length content-location content-range content-type cookie date etag expect expires
    forwarded from host idempotency-key if-match if-modified-since if-none-match if-range
    if-unmodified-since last-modified location max-forwards origin pragma proxy-status range referer
    retry-after server set-cookie strict-transport-security traceparent tracestate user-agent vary
    via www-authenticate x-api-key x-client-cert-subject x-real-ip x-request-id x-sidecar-proxy
    x-upstream-request-id
    """.split()
)
_PROTECTED_PREFIXES: Final = (b"x-forwarded-", b"sec-", b"access-control-")


def end_to_end_request(raw: RawHeaders) -> list[tuple[bytes, bytes]]:
    """What of a request goes upstream: order, case, duplicates and bytes as they came.

    Host and the framing are left to whoever writes the request.
    """
    return _end_to_end(raw, _known_requests)


def end_to_end_response(raw: RawHeaders) -> list[tuple[bytes, bytes]]:
    """What of a reply goes to the client.

    The framing and the request id are left to whoever writes the reply; the upstream's own id goes
    on as X-Upstream-Request-Id.
    """
    return _end_to_end(raw, _known_replies)


def _end_to_end(raw: RawHeaders, known: Memo[bool]) -> Fields:
    kept = []
    named: set[bytes] | None = None
    for field in raw:
        name = field[0]
        if not known[name]:
            kept.append(field)
            continue
        size = len(name)
        if size == _REQUEST_ID_SIZE and name.lower() == REQUEST_ID_LOWER:
            kept.append((UPSTREAM_ID, field[1]))
        elif size == _CONNECTION_SIZE and name.lower() == _CONNECTION:
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
    for name in members(value):
        if name not in PROTECTED and not name.startswith(_PROTECTED_PREFIXES):
            yield name


@lru_cache(maxsize=16)
def via(instance: str, version: tuple[int, int]) -> bytes:
    """The value of Via for a message that arrived in this version of HTTP."""
    return b"%d.%d %b" % (*version, _pseudonym(instance))


def marked(fields: Fields, instance: str) -> Fields:
    """Without Via, which some servers treat apart, and with a mark of ours in its place.

    Another such proxy may have left its own mark.
    """
    kept = []
    marks = []
    for field in fields:
        low = field[0].lower()
        if low == _MARK:
            marks.append(field[1])
        elif low != b"via":
            kept.append(field)
    kept.append((b"X-Sidecar-Proxy", b", ".join([*marks, instance.encode("ascii")])))
    return kept


def bears_mark(fields: RawHeaders, instance: str) -> bool:
    """As ``seen_by``, by the mark."""
    own = instance.encode("ascii")
    return any(own in members(value) for value in values(fields, _MARK))


def seen_by(fields: RawHeaders, instance: str) -> bool:
    """Whether this very instance has seen the message already."""
    for name, value in fields:
        if (
            len(name) == len(b"via")
            and name.lower() == b"via"
            and any(member.split()[1:2] == [_pseudonym(instance)] for member in members(value))
        ):
            return True
    return False


def _pseudonym(instance: str) -> bytes:
    return b"sidecar-proxy-" + instance.encode("ascii")
