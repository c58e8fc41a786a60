"""What the fields of a request are to a cache: who asks, and for what address.

Nobody can list all fields in which proxies and APIs say who a user is. So names are read by their
words. A field that is taken for an identity and is none costs hits; one that is missed would give
a reply to somebody else.
"""

import re
from typing import Final

from proxy.core.redaction import CREDENTIALS
from proxy.http.bounded_cache import BoundedCache, Memo
from proxy.http.conditional import CONDITIONS, FOR_ORIGINS
from proxy.http.fields import DASHED, RawHeaders

OWNER: Final = b"owner"
ADDRESS: Final = b"address"
CONDITION: Final = b"condition"
ORIGIN: Final = b"origin"

_WORD: Final = re.compile(
    rb"""(?:auth[a-z]*|[a-z]*auth|user[a-z]*|[a-z]*user(?:name|id)?|uid|login[a-z]*|e?mail[a-z]*
    |identity|principal|subject[a-z]*|dn|eppn|consumer[a-z]*|customer[a-z]*|member[a-z]*
    |tenant[a-z]*|account[a-z]*|org|orgid|organi[sz]ation[a-z]*|workspace[a-z]*|team[a-z]*
    |project[a-z]*|group[a-z]*|role[a-z]*|scopes?|claims?|permissions?|impersonate|sudo|behalf
    |[a-z]*token|[a-z]*key|[a-z]*secret|session[a-z]*|[a-z]*sessid|[a-z]*cookie|[a-z]*certs?
    |[a-z]*certificate|jwt|oidc|saml|dpop|mtls|pomerium|telegram|assertion|signature|bearer
    |creds|credentials?|passw(?:or)?d|otp)[0-9]*""",
    re.VERBOSE,
)
"""A word between dashes that says that a field is about who asks."""
_OWNERS: Final = (b"remote-", b"x-remote-", b"ssl-client-", b"x-ssl-client-")
_NOT_OWNERS: Final = frozenset(
    b"""authorization sec-fetch-user sec-websocket-key idempotency-key x-idempotency-key
    remote-addr remote-host remote-ip remote-port x-remote-addr x-remote-host x-remote-ip
    x-remote-port""".split()
)
_ADDRESSES: Final = frozenset({b"forwarded", b"x-http-method", b"x-method"})
_ADDRESS_STARTS: Final = (b"x-forwarded", b"x-original-", b"x-invoke-")
_ADDRESS_WORD: Final = re.compile(rb"[a-z]*(?:host|ur[il]|path|proto|scheme)|https|override")
"""A word between dashes that says that a field may stand for a part of the address."""
_SCRIPT: Final = b"script-name"
_ELSEWHERE: Final = frozenset({b"client", b"remote", b"current", b"next", b"referer", b"referrer"})
"""Words of fields about where the client is, not what it asks for: HX-Current-URL, Next-Url."""
_RESUMED: Final = b"last-event-id"
"""The rest of a stream of events is asked for: what is stored is the whole, or another rest."""
_CLIENTS: Final = frozenset({b"x-forwarded-for", b"x-original-for", b"x-original-forwarded-for"})
"""Who is connected: the address of a client chooses no reply."""
_READ: Final = frozenset({b"authorization", b"cache-control", b"pragma", b"range"})
_PAIR: Final = re.compile(
    rb'(?i)(?:^|[;,\s])(host|proto)[ \t]*+=[ \t]*+("(?>(?:[^"\\]|\\.)*)"|[^;,\s]*+)'
)
"""What Forwarded says of the address (RFC 7239 5.3, 5.4)."""


def _meaning(name: bytes) -> bytes:
    """A name in lower case where it matters, else nothing."""
    low = name.lower()
    if low in CONDITIONS:
        return CONDITION
    if low in FOR_ORIGINS or low == _RESUMED:
        return ORIGIN
    if is_owner(low):
        return OWNER
    if is_address(low):
        return ADDRESS
    return low if low in _READ else b""


MEANINGS: Final = Memo(_meaning, 2048)
"""What a field is to a cache, by the spelling of its name."""


def is_owner(name: bytes) -> bool:
    """Whether a field, in lower case, says who asks. Authorization has rules of its own."""
    dashed = DASHED[name]
    if dashed in _NOT_OWNERS:
        return False
    if name in CREDENTIALS or dashed.startswith(_OWNERS):
        return True
    words = dashed.replace(b"user-agent", b"").split(b"-")
    return any(map(_WORD.fullmatch, words))


def is_address(name: bytes) -> bool:
    """Whether a field, in lower case, may say what was asked for, beside Host and target."""
    dashed = DASHED[name]
    if dashed in _CLIENTS or dashed == b"host":
        return False
    if dashed in _ADDRESSES or dashed.startswith(_ADDRESS_STARTS) or dashed.endswith(_SCRIPT):
        return True
    words = dashed.split(b"-")
    if words[0] == b"sec" or not _ELSEWHERE.isdisjoint(words):
        return False
    return any(map(_ADDRESS_WORD.fullmatch, words))


def address_parts(name: bytes, value: bytes, host: bytes, scheme: bytes) -> tuple[bytes, ...]:
    """What a field says of the address; nothing where that is the ``host`` and ``scheme`` known."""
    low = DASHED[name]
    if low == b"forwarded":
        found: list[bytes] = []
        for which, said in _PAIR.findall(value):
            kind = which.lower()
            bare = said.strip(b'"').lower()
            if bare != (host if kind == b"host" else scheme):
                found += (kind, bare)
        return (low, *found) if found else ()
    if low == b"x-forwarded-host":
        value = value.lower()
        return () if value == host else (low, value)
    if low == b"x-forwarded-proto" and value == scheme:
        return ()
    return low, value


class _Parts(BoundedCache[tuple[bytes, bytes, str, str], tuple[bytes, ...]]):
    """``address_parts`` of fields that have come."""

    __slots__ = ()

    def __missing__(self, known: tuple[bytes, bytes, str, str]) -> tuple[bytes, ...]:
        name, value, host, scheme = known
        parts = address_parts(name, value, lower(host), scheme.encode())
        self.remember(known, parts, 2 * (len(name) + len(value)) + len(host))
        return parts


PARTS: Final = _Parts(4096, 4 << 20)
"""By name, value, host and scheme: the proxy itself writes three such fields into every request."""


def address(fields: RawHeaders, host: str, scheme: str) -> list[bytes]:
    """What all fields say of the address, beside the ``host`` and ``scheme`` that are known."""
    found: list[bytes] = []
    for name, value in fields:
        if MEANINGS[name] is ADDRESS:
            found += PARTS[name, value, host, scheme]
    return found


def lower(host: str) -> bytes:
    """A Host field, as others are compared with it."""
    return host.lower().encode("latin-1", "replace")
