"""Hosts that are gone while something is on its way to them.

How it works. The kernel asks a peer that is silent whether it is there (``SILENT`` in
``net/sockets``), but only while all that was sent to it is acknowledged. What is not, it sends
again and again for 15 minutes (tcp(7), tcp_retries2). TCP_USER_TIMEOUT shortens that. Set for good,
it would also end a peer that is there but does not read: its closed window is probed, and the time
counts although each probe is answered. So all connections are looked at every few seconds:

- bytes that are sent again while nothing is heard: the kernel is told how long it may go on;
- something is acknowledged: there is no limit any more;
- probes of a closed window that stay without an answer: it is told to end this.

The kernel counts from the first loss of the present recovery, which lasts for minutes on a path
that loses much, while bytes are acknowledged all the time. So the limit is counted from there too:
what had passed by the last acknowledgement, and then our patience.

From one try to the next the kernel waits twice as long, and at its limit it ends without another
one: the last one may have been after half of that. So where it can be told (Linux 6.15), it tries
every ten seconds as long as it has a limit.

The end comes from the kernel, as ETIMEDOUT, as it does for a peer that is silent: whoever reads or
writes then hears of it, in tunnels, over TLS and where bytes go past the loop too.

Linux; elsewhere the kernel's own limit ends such a connection.
"""

import asyncio
import contextlib
import math
import socket
from collections.abc import Callable
from typing import Any, Final

from proxy.net.sockets import INTERNET, TcpInfo, in_kernel, tcp_info

EVERY: Final = 5.0
"""Seconds between two looks. The kernel's next try is still close when something has not been
acknowledged for that long, and a limit that it is told bounds the time until that one."""
AT_ONCE: Final = 200
"""Connections that are looked at in one turn of the loop, which takes a millisecond at the most."""
_PROBES: Final = 3
"""Probes of a closed window without an answer: the last one may have been sent just now."""
_AT_NEXT_TRY: Final = 0.001
_TRY_EVERY: Final = 10_000
"""Milliseconds between two tries at the most, while there is a limit. The kernel's own is set again
behind that: by it the kernel also counts how long it goes on without a limit."""
_RTO_MAX_MS: Final = 44
"""Linux 6.15 has it; Python has no name for it yet."""
_USER_TIMEOUT: Final[int | None] = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux has it


class LostHosts:
    """Has the kernel give up connections whose peers acknowledge nothing any more."""

    __slots__ = (
        *("_left", "_limits", "_looking", "_loop", "_patience", "_recover", "_sockets", "_tries"),
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, patience: Callable[[TcpInfo], float]
    ) -> None:
        """``patience``: seconds for which a connection may go on without an acknowledgement."""
        self._loop = loop
        self._patience = patience
        self._sockets: dict[Any, None] = {}
        self._limits: dict[Any, float] = {}
        """Time limits of the sockets that have one, in seconds."""
        self._recover: dict[Any, float] = {}
        """When they began to recover from losses, at the earliest, by the time of the loop."""
        self._tries = 0
        """Milliseconds between two tries at the most, as the kernel has it."""
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
        self._recover.pop(sock, None)

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
        known = before or sock in self._recover
        if not known and not in_kernel(sock):  # so it is with most, and it costs less
            return
        with contextlib.suppress(OSError, ValueError):  # reset or closed a moment ago
            info = tcp_info(sock)
            limit = self._limit(info, self._recovered_for(sock, info))
            if limit == before:
                return
            sock.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, int(limit * 1000))
            if not (limit and before):
                self._try_often(sock, often=limit > 0)
            if limit:
                self._limits[sock] = limit
            else:
                del self._limits[sock]

    def _try_often(self, sock: Any, *, often: bool) -> None:
        with contextlib.suppress(OSError):  # an earlier kernel
            if often:
                self._tries = sock.getsockopt(socket.IPPROTO_TCP, _RTO_MAX_MS)
            tries = min(_TRY_EVERY, self._tries) if often else self._tries
            sock.setsockopt(socket.IPPROTO_TCP, _RTO_MAX_MS, tries)

    def _recovered_for(self, sock: Any, info: TcpInfo) -> float:
        """Seconds from the beginning of its recovery to the last acknowledgement, or somewhat more.

        Whole ones: a limit that hardly differs is not told again.
        """
        if not info.recovers:
            self._recover.pop(sock, None)
            return 0.0
        now = self._loop.time()
        since = self._recover.setdefault(sock, now - EVERY)
        return max(0, math.ceil(now - info.unheard_for - since))

    def _limit(self, info: TcpInfo, recovered_for: float) -> float:
        """Seconds that the kernel is to go on, zero for no limit."""
        patience = self._patience(info)
        if info.unacknowledged:
            if not info.retransmits or info.unheard_for < EVERY:
                return 0.0
            return recovered_for + patience if info.unheard_for < patience else _AT_NEXT_TRY
        lost = info.probes >= _PROBES and info.unheard_for >= patience
        return _AT_NEXT_TRY if lost else 0.0
