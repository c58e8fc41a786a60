"""What a connection over TLS has received and not read when a write on it fails.

Whoever refuses an upload and hangs up resets the connection; what it said came before that, and the
kernel still holds it. On a plain connection it is read as it is. Over TLS it has to go through the
loop's own protocol of TLS, which knows the keys: so this stands between the transport of TCP and
that protocol, and passes everything on.

It also bounds what is read at a time, as ``net/small_reads`` does without TLS.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Any, Final

from proxy.net.small_reads import IN_HAND

_READ: Final = 64 << 10


class BelowTls(asyncio.BufferedProtocol):
    """Gives the protocol of TLS what is still to be read, before it is told of a lost connection.

    What is told of each read are the methods of that protocol themselves.
    """

    __slots__ = (
        "_get_buffer",
        "_socket",
        "_tls",
        "buffer_updated",
        "eof_received",
        "pause_writing",
        "resume_writing",
    )

    buffer_updated: Callable[[int], None]  # type: ignore[assignment]
    eof_received: Callable[[], bool | None]
    pause_writing: Callable[[], None]
    resume_writing: Callable[[], None]

    def __init__(self, tls: Any, sock: Any) -> None:
        """``tls``: the loop's protocol of TLS, ``sock``: of the transport below it."""
        self._tls = tls
        self._socket = sock
        self._get_buffer = tls.get_buffer
        self.buffer_updated = tls.buffer_updated
        self.eof_received = tls.eof_received
        self.pause_writing = tls.pause_writing
        self.resume_writing = tls.resume_writing

    def get_buffer(self, sizehint: int) -> Any:
        """Where the next read goes: no more than all bodies together leave room for."""
        return self._get_buffer(sizehint)[: IN_HAND.next_read()]

    def connection_lost(self, exc: Exception | None) -> None:
        """Let what came before be read first; the loop closes the descriptor after this."""
        if exc is not None:
            with contextlib.suppress(OSError, ValueError):
                self._read_to_the_end()
        self._tls.connection_lost(exc)

    def _read_to_the_end(self) -> None:
        """Raises OSError at the end, where that is a reset."""
        while (descriptor := self._socket.fileno()) >= 0 and (data := os.read(descriptor, _READ)):
            while data:
                space = self.get_buffer(len(data))
                size = min(len(space), len(data))
                space[:size] = data[:size]
                self.buffer_updated(size)
                data = data[size:]


def stand_below(transport: asyncio.Transport) -> None:
    """``transport``: of TCP, on which the loop has just begun to speak TLS."""
    tls: Any = transport.get_protocol()
    transport.set_protocol(BelowTls(tls, transport.get_extra_info("socket")))
