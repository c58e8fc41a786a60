"""Logins that belong to a connection, not to a request (NTLM, Negotiate: RFC 4559 6).

Behind such a login everything on the connection is done as its user, whoever sent it. So an
upstream connection on which one was mentioned belongs to one client connection from then on.
"""

import re
from collections.abc import Hashable
from typing import Any, Final, Protocol

from proxy.http.fields import RawHeaders

# Err towards yes: a false one costs a connection, a missed one lends a user's login to a stranger.
_SCHEME: Final = re.compile(
    rb"(?:^|[,\s])(?:ntlm|negotiate|nego2|negoex|kerberos|credssp|pku2u)(?=$|[\s,])", re.IGNORECASE
)
_CHALLENGES: Final = frozenset(
    {
        b"www-authenticate",
        b"proxy-authenticate",
        b"authorization",
        b"proxy-authorization",
        b"authentication-info",
        b"proxy-authentication-info",
    }
)
_SESSION: Final = b"session-based-authentication"
OF_LOGINS: Final = _CHALLENGES | {b"proxy-support", b"persistent-auth", _SESSION}
"""The fields that may speak of a login of the connection, in lower case."""


def names_login(low: bytes, value: bytes) -> bool:
    """Whether a field, its name in lower case, speaks of a login of the connection."""
    if low in _CHALLENGES:
        return _SCHEME.search(value) is not None
    if low == b"proxy-support":
        return _SESSION in value.lower()
    return low in (b"persistent-auth", _SESSION) and value.strip().lower() != b"false"


def speaks_of_login(fields: RawHeaders) -> bool:
    """Whether one of these fields does."""
    return any(names_login(name.lower(), value) for name, value in fields)


class Held(Protocol):
    """An upstream connection that waits for its client."""

    def close(self) -> None:
        """Close it."""


class Transport(Protocol):
    """A connection that knows its addresses."""

    def get_extra_info(self, name: str) -> Any:
        """As asyncio's transports have it: ``peername``, ``sockname``."""


class Ties:
    """The upstream connections that belong to one client connection, while they are not in use."""

    __slots__ = ("closed", "held", "introduced", "transport")

    def __init__(self) -> None:
        self.transport: Transport | None = None
        """The client's connection, while it stands."""
        self.introduced: dict[Hashable, tuple[bytes, Held]] = {}
        """By pool: connections that began by saying who the client is, and with which words."""
        self.held: dict[Hashable, tuple[str, Held]] = {}
        """By the pool that each came from: the name of its server, and the connection."""
        self.closed = False

    @property
    def servers(self) -> set[str]:
        """The names of the servers that know this client."""
        return {name for name, _ in self.held.values()}

    def forget(self, pool: Hashable, connection: Held) -> bool:
        """A connection has ended; whether it was waiting here."""
        for known in (self.held, self.introduced):
            if pool in known and known[pool][1] is connection:
                del known[pool]
                return True
        return False

    def close(self) -> None:
        """The client has gone, and its logins with it."""
        self.closed = True
        self.transport = None
        while self.introduced:
            self.introduced.popitem()[1][1].close()
        while self.held:
            self.held.popitem()[1][1].close()
