"""What a request says that matters for a cache, found in one pass over its fields."""

from collections.abc import Callable
from hashlib import sha256
from typing import Final

from proxy.core.exchange import Exchange
from proxy.core.secrets import CREDENTIALS
from proxy.core.stored import Entry
from proxy.http.cache_control import cache_directives
from proxy.http.conditional import CONDITIONS, FOR_ORIGINS
from proxy.http.vary import selecting_value
from proxy.policy.freshness import ANYTHING, Wanted, wanted_by

_IDENTITY: Final = frozenset(
    b"""x-forwarded-user x-forwarded-email x-forwarded-groups x-forwarded-preferred-username
    x-auth-request-user x-auth-request-email x-remote-user remote-user x-user-id
    x-forwarded-client-cert client-cert x-ssl-client-cert x-client-cert""".split()
)
"""Fields in which a proxy in front says who the client is."""
_OWNER: Final = (CREDENTIALS | _IDENTITY) - {b"authorization"}
_ORIGINS: Final = FOR_ORIGINS
_SIZES: Final = frozenset(
    map(len, {b"cache-control", b"pragma", b"range", *CONDITIONS, *_ORIGINS, *_OWNER})
) | {len(b"authorization")}


class Asked:
    """One request as the cache sees it."""

    __slots__ = (
        "authorized",
        "conditional",
        "exchange",
        "for_origin",
        "key",
        "owner",
        "ranged",
        "wanted",
    )

    def __init__(self, exchange: Exchange, key_of: Callable[[Exchange], bytes]) -> None:
        """``key_of`` gives what it is stored under."""
        self.exchange = exchange
        self.key = key_of(exchange)
        self.wanted: Wanted = ANYTHING
        self.authorized = bool(exchange.proxy_credentials)
        self.conditional = False
        """Whether 304 may be the answer."""
        self.for_origin = False
        """Whether it has a condition that only the server can answer."""
        self.ranged = False
        self.owner = b""
        """Digest of its cookies and the like; empty for none."""
        owner: list[bytes] = []
        controls: list[bytes] = []
        pragma = False
        for name, value in exchange.headers:
            if len(name) not in _SIZES:
                continue
            low = name.lower()
            if low == b"authorization":
                self.authorized = True
            elif low in _OWNER:
                owner += (low, value)
            elif low == b"cache-control":
                controls.append(value)
            elif low == b"range":
                self.ranged = True
            elif low in CONDITIONS:
                self.conditional = True
            elif low in _ORIGINS:
                self.for_origin = True
            elif low == b"pragma":
                pragma = pragma or b"no-cache" in value.lower()
        if controls or pragma:
            self.wanted = wanted_by(cache_directives(controls), pragma=pragma)
        if owner:
            self.owner = stable_digest(*owner)

    def takes(self, entry: Entry) -> bool:
        """Whether a stored reply may answer it, as far as Vary and credentials say."""
        meta = entry.meta
        if not meta.public and self.owner != meta.owner:
            return False
        if self.authorized and not meta.authorized:
            return False
        fields = self.exchange.headers
        return all(selecting_value(fields, name) == value for name, value in meta.vary)


def stable_digest(*parts: bytes) -> bytes:
    """16 bytes that stand for ``parts``, the same ones in every process and after a restart.

    What is stored outlives the process, so the key of ``core/secrets`` cannot be used.
    """
    made = sha256()
    for part in parts:
        made.update(b"%d:%b" % (len(part), part))
    return made.digest()[:16]
