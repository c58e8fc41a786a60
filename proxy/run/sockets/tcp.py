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
    return _of(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE))


def _of(found: Iterable[Any]) -> list[Place]:
    named = (
        Place(family, str(at[0]), scope=at[3] if len(at) == 4 else 0)
        for family, _, _, _, at in found
    )
    return list(dict.fromkeys(named))


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
        for number, place in enumerate(found):
            try:
                made.append(undo.enter_context(bound(place, port, share=False)))
            except OSError as error:  # a name with addresses of a family that is not there
                last = number == len(found) - 1
                if error.errno != errno.EAFNOSUPPORT or (last and not made):
                    raise
        undo.pop_all()
    return made
