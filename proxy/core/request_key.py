"""What requests are told apart, or kept together, by."""

from collections.abc import Callable
from typing import Final

from proxy.core.exchange import Exchange
from proxy.core.redaction import digest
from proxy.http.fields import cookie, values
from proxy.http.grammar import TCHAR

PATTERN: Final = f"^(path|route|client_addr|(header|cookie):[{TCHAR.decode()}]+)$"
"""``path``, ``route``, ``client_addr``, ``header:NAME`` or ``cookie:NAME``, as options spell it."""


_LONGEST: Final = 64
"""Bytes of a key that is kept as it is. A client chooses them, up to a whole head for each."""


def key_of(text: str) -> Callable[[Exchange], bytes | None]:
    """Finds the key of a request; None where it has none. ``text`` as in ``PATTERN``.

    A long key is given as its digest behind a NUL, which no field and no path holds.
    """
    kind, _, name = text.partition(":")
    if kind == "path":
        return lambda exchange: _bounded(exchange.path.encode())
    if kind == "route":
        return lambda exchange: exchange.route.encode()
    if kind == "client_addr":
        return lambda exchange: exchange.client.encode()
    wanted = name.encode()
    if kind == "cookie":
        return lambda exchange: _cookie(exchange, wanted)
    return lambda exchange: _field(exchange, wanted.lower())


def asked_for(exchange: Exchange) -> int:
    """Method and target: what takes about as long each time.

    A number for them, as a client chooses how long a target is. It is good in this process only.
    Python hashes text with a secret of the process, so nobody can choose two that have the same.
    """
    return hash((exchange.method, exchange.target))


def path_of(exchange: Exchange) -> int:
    """Method and path: what an API calls an operation; a number as that of ``asked_for``."""
    return hash((exchange.method, exchange.path))


def _field(exchange: Exchange, wanted: bytes) -> bytes | None:
    found = values(exchange.headers, wanted)
    return _bounded(found[0]) if found else None


def _cookie(exchange: Exchange, wanted: bytes) -> bytes | None:
    found = cookie(exchange.headers, wanted)
    return None if found is None else _bounded(found)


def _bounded(key: bytes) -> bytes:
    return key if len(key) <= _LONGEST else b"\0" + digest(key)
