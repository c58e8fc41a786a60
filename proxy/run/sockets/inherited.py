"""Sockets that the service manager has opened for us (sd_listen_fds(3)): socket activation.

A socket is used by whatever address in the configuration it is bound to. So the same file works
with and without it, and an address that no socket was opened for is bound as ever.
"""

import ipaddress
import logging
import os
import socket
from collections.abc import MutableMapping
from typing import Final

from proxy.net.addresses import split_listen
from proxy.net.sockets import SILENT, ask_when_silent

log = logging.getLogger(__name__)

FIRST: Final = 3
"""Number of the first descriptor; those of standard streams come before."""
_VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class Inherited:
    """The sockets by what they are bound to."""

    __slots__ = ("_sockets", "_used")

    def __init__(self, sockets: list[socket.socket]) -> None:
        self._sockets = sockets
        self._used: set[int] = set()

    @classmethod
    def of_environment(cls, environ: MutableMapping[str, str] = os.environ) -> "Inherited":
        """Those that are for this process. Its children are not to take them for theirs."""
        told = [environ.pop(name, "") for name in _VARIABLES]
        if told[0] != str(os.getpid()) or not told[1].isdecimal():
            return cls([])
        sockets = []
        for number in range(FIRST, FIRST + int(told[1])):
            try:
                os.set_inheritable(number, False)
                sockets.append(socket.socket(fileno=number))
            except OSError as error:
                log.warning("descriptor %d is no socket to listen on: %s", number, error.strerror)
        return cls(sockets)

    def __len__(self) -> int:
        return len(self._sockets)

    def take(self, address: str) -> socket.socket | None:
        """A socket of its own for an address; None where there is none for it.

        The one that was inherited stays open: clients wait there for whoever comes next.
        """
        for one in self._sockets:
            if _is_at(one, address):
                self._used.add(one.fileno())
                ask_when_silent(one, SILENT, kept=True)
                return one.dup()
        return None

    def tell_unused(self) -> None:
        """Once all addresses are listened on: sockets that none of them asked for."""
        for one in self._sockets:
            if one.fileno() not in self._used:
                message = "a socket for %s was handed over, and nothing listens there"
                log.warning(message, _name(one))


_ours = Inherited([])


def sockets() -> Inherited:
    """The sockets that this process was started with."""
    return _ours


def accept_sockets() -> None:
    """Use what the environment says, from now on."""
    global _ours  # noqa: PLW0603 - descriptors are the process's
    _ours = Inherited.of_environment()


def _is_at(one: socket.socket, address: str) -> bool:
    if address.startswith("unix:"):
        return one.family == socket.AF_UNIX and one.getsockname() == address.removeprefix("unix:")
    if one.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    host, port = split_listen(address)
    bound, number = one.getsockname()[:2]
    if number != port:
        return False
    if not host:  # every address
        return ipaddress.ip_address(bound).is_unspecified
    try:
        return ipaddress.ip_address(host.partition("%")[0]) == ipaddress.ip_address(bound)
    except ValueError:  # a name
        return bound in {each[4][0] for each in socket.getaddrinfo(host, port)}


def _name(one: socket.socket) -> str:
    name = one.getsockname()
    if isinstance(name, bytes):  # an abstract one, whose first byte is zero
        return f"unix:@{os.fsdecode(name[1:])}"
    return f"unix:{name}" if isinstance(name, str) else f"{name[0]}:{name[1]}"
