"""How a worker that serves is handed sockets: a link carries none.

The parent puts them on the worker's shelf before it asks on the link, so they lie there when the
worker reads the question. Each bears the number of the reload, or of the loan, that it is for: one
that was given up may have left some.
"""

import contextlib
import json
import socket
from collections.abc import Sequence
from typing import Final

_LONGEST: Final = 4096
INBOX: Final = ""
"""What the inbox of a slot is called, among addresses."""
_MOST: Final = 253
"""Descriptors in one message (SCM_MAX_FD)."""


def shelf() -> tuple[socket.socket, socket.socket]:
    """The parent's end, and the worker's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    return ours, theirs


def put(end: socket.socket, reload: int, address: str, sockets: Sequence[socket.socket]) -> None:
    """Hand over the sockets of one address. Raises OSError where the shelf is full."""
    message = json.dumps([reload, address]).encode()
    socket.send_fds(end, [message], [one.fileno() for one in sockets])


def taken(end: socket.socket, reload: int) -> dict[str, list[socket.socket]]:
    """What lies there for this reload, by its address; the rest is closed."""
    found: dict[str, list[socket.socket]] = {}
    end.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            message, descriptors, _, _ = socket.recv_fds(end, _LONGEST, _MOST)
            if not message:
                break
            sockets = [socket.socket(fileno=each) for each in descriptors]
            number, address = json.loads(message)
            if number == reload:
                found[address] = sockets
            else:
                for one in sockets:
                    one.close()
    return found
