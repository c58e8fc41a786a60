"""Whether the other side of a connection is still there, when all that came of it is a FIN.

A FIN says that nothing more will be sent. A client that has closed its connection and one that only
has nothing more to say send the same. A kernel knows the difference, and for a client on the same
host it is ours: a socket that no process holds any more has no inode (sock_diag(7)).
"""

import errno
import logging
import select
import socket
import struct
from typing import Any, Final

log = logging.getLogger(__name__)

_SOCK_DIAG: Final = 4
_BY_FAMILY: Final = 20
_REQUEST: Final = 1
_HEADER: Final = struct.Struct("=IHHII")
_ASKED: Final = struct.Struct("=BBBBI")
_PORTS: Final = struct.Struct("!HH16s16sI")
_ANY_COOKIE: Final = b"\xff" * 8
_INODE: Final = 68
"""Where it stands in an ``inet_diag_msg``."""
_ALIVE: Final = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 11
"""ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSING: states of a socket that may still be read from."""

_REFUSED: Final = frozenset(
    {errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EPERM, errno.EACCES, errno.ENOSYS}
)
"""The question itself is not allowed: by systemd or another sandbox, or by the kernel's build."""
_told: Final[set[int]] = set()
"""Those of them that the log has."""


def peer_left(sock: Any) -> bool | None:
    """Whether nobody is at the other end of ``sock``; None where nobody here can tell.

    That is the case for clients on other hosts and in other network namespaces, and where there is
    no Linux. Takes some 30 µs and never raises.
    """
    try:
        if sock.family == socket.AF_UNIX:
            return _hung_up(sock)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            return _orphaned(sock)
    except OSError as error:
        if error.errno in _REFUSED and error.errno not in _told:
            _told.add(error.errno)
            log.warning(
                "the kernel may not be asked whether a client on this host has left (%s): what "
                "[server] half_close says for clients on other hosts holds for all. A sandbox has "
                "to allow AF_NETLINK (systemd: RestrictAddressFamilies=)",
                error.strerror,
            )
    except (ValueError, struct.error):
        pass
    return None


def _hung_up(sock: Any) -> bool:
    poll = select.poll()
    poll.register(sock.fileno(), 0)
    return any(events & (select.POLLHUP | select.POLLERR) for _, events in poll.poll(0))


def _orphaned(sock: Any) -> bool | None:
    family = getattr(socket, "AF_NETLINK", None)
    if family is None:
        return None
    here, there = sock.getsockname(), sock.getpeername()
    source, target = (
        socket.inet_pton(sock.family, end[0].partition("%")[0]) for end in (there, here)
    )
    body = (
        _ASKED.pack(sock.family, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF)
        + _PORTS.pack(there[1], here[1], source, target, 0)
        + _ANY_COOKIE
    )
    with socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as netlink:
        netlink.settimeout(0.05)
        netlink.send(_HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _REQUEST, 0, 0) + body)
        answer = netlink.recv(4096)
    if _HEADER.unpack_from(answer)[1] != _BY_FAMILY:  # an error: no such socket here
        return None
    state = answer[_HEADER.size + 1]
    (inode,) = struct.unpack_from("=I", answer, _HEADER.size + _INODE)
    return not inode or not 1 << state & _ALIVE
