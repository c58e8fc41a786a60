"""What the kernel knows of a connection."""

import asyncio
import contextlib
import ctypes
import fcntl
import socket
import struct
import sys
import termios
from typing import Any, Final, NamedTuple, TypeAlias

RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER for a close that the peer is to see as a reset."""


def unsent(transport: asyncio.Transport | None, sock: Any, *, lasts: bool = False) -> int:
    """Bytes written to a transport that its peer has not taken: ours, and TIOCOUTQ of the kernel's.

    The time spent in one write says little: a client that reads steadily at 100 KB/s leaves our own
    buffer unchanged for many seconds, while the kernel's moves. ``lasts``: the socket is open even
    where the transport is closing.
    """
    if transport is None:
        return 0
    waiting = transport.get_write_buffer_size()
    if transport.is_closing() and not lasts:  # the descriptor may be somebody else's by now
        return waiting
    return waiting + in_kernel(sock)


def in_kernel(sock: Any) -> int:
    """Bytes that the kernel holds for a peer until it has acknowledged them."""
    try:
        answer = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
    except (OSError, ValueError, AttributeError):  # closed meanwhile, or no socket
        return 0
    return int(struct.unpack("i", answer)[0])


def unread(sock: Any) -> bool:
    """Whether the kernel holds bytes of the peer's that the loop has not read yet."""
    try:
        answer = fcntl.ioctl(sock.fileno(), termios.FIONREAD, b"\0\0\0\0")
    except (OSError, ValueError, AttributeError):
        return False
    return bool(struct.unpack("i", answer)[0])


_SO_ATTACH_FILTER: Final = 26
_NO_SYN: Final = struct.pack(
    "=" + 5 * "HBBI",
    *(0x30, 0, 0, 13),  # the flags of the TCP header,
    *(0x54, 0, 0, 0x12),  # of them SYN and ACK;
    *(0x15, 0, 1, 0x02),  # SYN alone
    *(0x06, 0, 0, 0),  # is dropped,
    *(0x06, 0, 0, 0xFFFFFFFF),  # all else passes
)
"""A program of five instructions for the kernel (linux/filter.h)."""


def drop_handshakes(listening: Any) -> None:
    """Let no further client begin to connect; those who have begun are let in.

    Whatever process has this socket: nobody is let in by it any more. Linux; elsewhere nothing
    happens.
    """
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(_NO_SYN, len(_NO_SYN))
    counted = struct.pack("@HP", len(_NO_SYN) // 8, ctypes.addressof(program))
    with contextlib.suppress(OSError):
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, counted)


_QUICKACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)  # Linux has it


def acknowledge(sock: Any) -> None:
    """Tell the peer at once that its bytes have come, where more is to follow them.

    A peer that writes twice waits for this before the second write (Nagle), and the kernel would
    put it off for 40 ms (RFC 9293 3.8.6.3). Nobody is told where the connection has ended: None.
    """
    if _QUICKACK is not None and sock is not None:
        with contextlib.suppress(OSError, ValueError):  # a unix socket
            sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)


Probes: TypeAlias = tuple[tuple[int, int, int], ...]
"""Level, option and value of each option that says when a peer is asked whether it is there."""

INTERNET: Final = (socket.AF_INET, socket.AF_INET6)


def probes(after: int, every: int, times: int) -> Probes:
    """Ask a peer that has been silent for ``after`` seconds, and again ``every`` so many.

    If ``times`` of them stay without an answer, the connection ends with ETIMEDOUT.
    """
    named = (
        ("TCP_KEEPIDLE", after),
        ("TCP_KEEPALIVE", after),  # the same on macOS
        ("TCP_KEEPINTVL", every),
        ("TCP_KEEPCNT", times),
    )
    known = ((getattr(socket, name, None), value) for name, value in named)
    clocks = ((socket.IPPROTO_TCP, option, value) for option, value in known if option is not None)
    return (*clocks, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1))


GONE: Final = 105.0
"""Seconds after which a host from which nothing is heard is gone: more than the 100 for which TCP
is to go on sending what is not acknowledged (RFC 9293 3.8.3)."""
SILENT: Final = probes(45, 15, 4)
"""For all connections. What lies between two hosts (NAT, balancers, firewalls) forgets a connection
on which nothing passes, some of them after a minute: an answer that takes longer would be lost. A
host that is gone is noticed after 45 and four times 15 seconds, ``GONE``."""


def ask_when_silent(sock: Any, asked: Probes, *, kept: bool = False) -> None:
    """Have the kernel ask the peer of a TCP connection whether it is there, while it is silent.

    Of a socket that listens, all that is accepted has it (Linux). ``kept``: where whoever made the
    socket has said how, that stays.
    """
    if sock is None or sock.family not in INTERNET:
        return
    with contextlib.suppress(OSError):  # reset a moment ago
        if kept and sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE):
            return
        for level, option, value in asked:
            sock.setsockopt(level, option, value)


class TcpInfo(NamedTuple):
    """What the kernel knows of a connection (struct tcp_info of Linux, 4.1 or later)."""

    recovers: int
    """Other than 0 since bytes were lost, until all that was sent by then is acknowledged."""
    retransmits: int
    """How often the oldest bytes that are not acknowledged were sent again."""
    probes: int
    """Probes of a peer, or of its closed window, that have had no answer yet."""
    unacknowledged: int
    """Segments on their way."""
    unheard_for: float
    """Seconds since the peer has acknowledged anything, anew or once more."""
    acknowledged: int
    """Bytes that the peer's kernel has taken in all; a SYN of ours counts as one."""


_TCP_INFO: Final[int | None] = getattr(socket, "TCP_INFO", None)
_KNOWN: Final = struct.Struct("=xBBB20xI28xI60xQ")
_NOTHING: Final = TcpInfo(0, 0, 0, 0, 0.0, sys.maxsize)
_SYN: Final = 1


def tcp_info(sock: Any) -> TcpInfo:
    """Nothing but good where it is not known. Raises OSError."""
    if _TCP_INFO is None:
        return _NOTHING
    info = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 256)
    if len(info) < _KNOWN.size:
        return _NOTHING
    known = TcpInfo(*_KNOWN.unpack_from(info))
    return known._replace(unheard_for=known.unheard_for / 1000)  # the kernel has milliseconds


def taken(sock: Any) -> int:
    """Bytes that the peer's kernel has taken, of all that were written to a connection we made.

    More than can be where that is not known. Raises OSError.
    """
    return tcp_info(sock).acknowledged - _SYN
