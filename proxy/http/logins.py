"""Logins that belong to a connection, not to a request (NTLM, Negotiate: RFC 4559 6).

Behind such a login everything on the connection is done as its user, whoever sent it. So an
upstream connection on which one was mentioned belongs to one client connection from then on.
"""

import re
from typing import Final

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
