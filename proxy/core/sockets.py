"""What the kernel knows of a connection."""

import asyncio
import fcntl
import struct
import termios
from typing import Any, Final

RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER for a close that the peer is to see as a reset."""


def unsent(transport: asyncio.Transport | None, sock: Any) -> int:
    """Bytes written to a transport that its peer has not taken: ours, and TIOCOUTQ of the kernel's.

    The time spent in one write says little: a client that reads steadily at 100 KB/s leaves our own
    buffer unchanged for many seconds, while the kernel's moves.
    """
    if transport is None:
        return 0
    waiting = transport.get_write_buffer_size()
    if transport.is_closing():  # the descriptor may be somebody else's by now
        return waiting
    try:
        answer = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
    except (OSError, ValueError, AttributeError):  # closed meanwhile, or no socket
        return waiting
    return waiting + int(struct.unpack("i", answer)[0])
