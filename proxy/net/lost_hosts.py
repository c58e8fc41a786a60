"""Hosts that are gone while something is on its way to them.

How it works. The kernel asks a peer that is silent whether it is there (``SILENT`` in
``net/sockets``), but only while all that was sent to it is acknowledged. What is not, it sends
again and again for 15 minutes (tcp(7), tcp_retries2). TCP_USER_TIMEOUT shortens that. Set for good,
it would also end a peer that is there but does not read: its closed window is probed, and the time
counts although each probe is answered. So all connections are looked at every few seconds:

- bytes that are sent again while nothing is heard: the kernel is told how long it may go on;
- they are acknowledged, or something is heard: it is told that there is no limit;
- probes of a closed window that stay without an answer: it is told to end this.

The end comes from the kernel, as ETIMEDOUT, as it does for a peer that is silent: whoever reads or
writes then hears of it, in tunnels, over TLS and where bytes go past the loop too.

Linux; elsewhere the kernel's own limit ends such a connection.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any, Final

from proxy.net.sockets import INTERNET, TcpInfo, in_kernel, tcp_info

EVERY: Final = 5.0
"""Seconds between two looks. The kernel's next try is still close then: a time that it is told
counts from that on."""
AT_ONCE: Final = 200
"""Connections that are looked at in one turn of the loop, which takes a millisecond at the most."""
_PROBES: Final = 3
"""Probes of a closed window without an answer: the last one may have been sent just now."""
_AT_NEXT_TRY: Final = 0.001
_USER_TIMEOUT: Final[int | None] = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux has it


class LostHosts:
    """Has the kernel give up connections whose peers acknowledge nothing any more."""

    __slots__ = ("_left", "_limits", "_looking", "_loop", "_patience", "_sockets")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, patience: Callable[[TcpInfo], float]
    ) -> None:
        """``patience``: seconds for which a connection may go on without an acknowledgement."""
        self._loop = loop
        self._patience = patience
        self._sockets: dict[Any, None] = {}
        self._limits: dict[Any, float] = {}
        """Those that have one, in seconds."""
        self._left: list[Any] = []
        """Those that are still to be looked at in this round."""
        self._looking = False

    def watch(self, sock: Any) -> None:
        """Look at a connection until it is forgotten."""
        if _USER_TIMEOUT is None or sock is None or sock.family not in INTERNET:
            return
        self._sockets[sock] = None
        if not self._looking:
            self._looking = True
            self._loop.call_later(EVERY, self._look)

    def forget(self, sock: Any) -> None:
        """It has ended."""
        self._sockets.pop(sock, None)
        self._limits.pop(sock, None)

    def _look(self) -> None:
        self._left = list(self._sockets)
        self._look_on()

    def _look_on(self) -> None:
        left = self._left
        for sock in left[-AT_ONCE:]:
            if sock in self._sockets:  # it may have ended since the round began
                self._look_at(sock)
        del left[-AT_ONCE:]
        if left:
            self._loop.call_soon(self._look_on)
        elif self._sockets:
            self._loop.call_later(EVERY, self._look)
        else:
            self._looking = False

    def _look_at(self, sock: Any) -> None:
        before = self._limits.get(sock, 0.0)
        if not before and not in_kernel(sock):  # so it is with most, and it costs less
            return
        with contextlib.suppress(OSError, ValueError):  # reset or closed a moment ago
            limit = self._limit(tcp_info(sock))
            if limit == before:
                return
            sock.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, int(limit * 1000))
            if limit:
                self._limits[sock] = limit
            else:
                del self._limits[sock]

    def _limit(self, info: TcpInfo) -> float:
        """Seconds that the kernel is to go on, zero for no limit."""
        if info.unacknowledged:
            sent_again = info.retransmits and info.unheard_for >= EVERY
            return self._patience(info) if sent_again else 0.0
        lost = info.probes >= _PROBES and info.unheard_for >= self._patience(info)
        return _AT_NEXT_TRY if lost else 0.0
