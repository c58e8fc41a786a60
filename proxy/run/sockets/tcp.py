"""TCP sockets to listen on."""

import contextlib
import errno
import socket
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from proxy.net.look_ups import LOOK_UPS
from proxy.net.sockets import SILENT, ask_when_silent


class Place(NamedTuple):
    """A TCP address without its port."""

    family: int
    host: str
    dual: bool = False
    """Whether an IPv6 socket takes IPv4 clients too."""
    scope: int = 0
    """The interface of a link-local address (RFC 4007)."""


_NO_IPV6: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_LOOPBACK: Final = ("127.0.0.1", "::1")


def places(host: str, port: int) -> list[Place]:
    """Those of a name; of every address of the machine, where it is empty. Raises OSError."""
    if not host:
        every = Place(socket.AF_INET6, "::", dual=True)
        try:
            if socket.has_dualstack_ipv6():
                bound(every, 0, share=False).close()
                return [every]
        except OSError as error:
            if error.errno not in _NO_IPV6:
                raise
        return [Place(socket.AF_INET, "0.0.0.0")]
    named = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)
    return _here(_of(named))


def _of(found: Iterable[Any]) -> list[Place]:
    named = (
        Place(family, str(at[0]), scope=at[3] if len(at) == 4 else 0)
        for family, _, _, _, at in found
    )
    return list(dict.fromkeys(named))


def _here(found: list[Place]) -> list[Place]:
    """Without those of a family that this machine has no addresses of, if that leaves any.

    ``localhost`` is ``::1`` too in /etc/hosts, also in containers in which IPv6 is switched off.
    """
    if len(found) == 1:
        return found
    return [place for place in found if not _is_of_no_use(place)] or found


def _is_of_no_use(place: Place) -> bool:
    try:
        bound(place, 0, share=False).close()
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:  # of others it is no address of this machine
            return place.host in _LOOPBACK
        return error.errno == errno.EAFNOSUPPORT
    return False


def bound(place: Place, port: int, *, share: bool) -> socket.socket:
    """A socket that does not listen. ``share``: with SO_REUSEPORT. Raises OSError."""
    own = socket.socket(place.family, socket.SOCK_STREAM)
    try:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        scope: tuple[int, ...] = ()
        if place.family == socket.AF_INET6:
            own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not place.dual)
            scope = (0, place.scope)
        own.bind((place.host, port, *scope))
        ask_when_silent(own, SILENT)
    except BaseException:
        own.close()
        raise
    return own


def addresses(host: str, listening: Iterable[socket.socket]) -> list[str]:
    """What is listened on, as it is written; a name stands for all that it has.

    An IPv6 socket that takes IPv4 clients too is both: ``[::]`` alone is IPv6 only.
    """
    listening = list(listening)
    ports = {one.getsockname()[1] for one in listening}
    if host and len(ports) == 1:
        return [_written(host, *ports)]
    found: list[str] = []
    for one in listening:
        at, port = one.getsockname()[:2]
        if one.family == socket.AF_INET6 and not one.getsockopt(
            socket.IPPROTO_IPV6, socket.IPV6_V6ONLY
        ):
            found.append(_written("0.0.0.0", port))
        found.append(_written(at, port))
    return found


def _written(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def bound_tcp(host: str, port: int) -> list[socket.socket]:
    """A socket for each address of ``host``, of the machine where it is empty. Raises OSError.

    An address is bound without a look-up. With port 0, each of several gets a port of its own.
    """
    if host:
        named = await LOOK_UPS.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        found = _of(named)
    else:
        found = places(host, port)
    made: list[socket.socket] = []
    with contextlib.ExitStack() as undo:
        made.extend(undo.enter_context(bound(place, port, share=False)) for place in _here(found))
        undo.pop_all()
    return made
