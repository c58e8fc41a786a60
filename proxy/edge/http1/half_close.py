"""Clients that have sent all they will, and wait for their answer (RFC 9112 9.6)."""

import asyncio
from typing import Any, Final

from proxy.net.half_tls import HalfTls
from proxy.net.hangups import HangupWatcher
from proxy.net.peer import peer_left
from proxy.net.sockets import ask_when_silent, probes

AT_ONCE: Final = 0.1
"""Seconds behind a request within which a FIN belongs to it, where nobody can tell what it means:
tools such as ``nc -N`` send it right behind; people who leave have waited before."""

_FIRST_LOOK: Final = 0.05
"""Seconds: a client that closes tells us by its FIN, a moment before its kernel has noted it."""
_LOOK: Final = 1.0
"""Seconds between looks at whether a client on this host is still there."""
_PROBES: Final = probes(15, 5, 3)
"""For those on others: their kernel forgets a closed connection after a minute, and then says so.
"""


def may_read_on(sock: Any, tls: HalfTls | None, policy: str, *, fresh: bool) -> bool:
    """Whether a client that has sent FIN, or over TLS close_notify, still wants its answer.

    ``policy`` as ``[server] half_close`` has it; ``fresh``: it came right behind the request. A FIN
    without close_notify ends both sides of TLS. A close_notify without FIN is no proof that a
    client stays: one on asyncio that leaves waits with its socket for ours.
    """
    if policy == "leave" or (tls is not None and not tls.ended):
        return False
    left = None if tls is not None else peer_left(sock)
    if left is None:
        return policy == "answer" or fresh
    return not left


class HalfClosed:
    """Watches a client that has sent FIN, until it has its answer or is gone."""

    __slots__ = ("_descriptor", "_handle", "_hangups", "_loop", "_socket", "_transport")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
        sock: Any,
        hangups: HangupWatcher,
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._socket = sock
        self._hangups = hangups
        self._descriptor: int = sock.fileno()
        self._handle: asyncio.TimerHandle | None = loop.call_later(_FIRST_LOOK, self._look)
        ask_when_silent(sock, _PROBES)

    def watch(self) -> None:
        """Be told of a reset, which a transport that has read FIN does not see."""
        self._hangups.watch(self._descriptor, self._left, ended=True, of=self._socket)

    def close(self) -> None:
        """It is over."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _look(self) -> None:
        self._handle = None
        if self._transport.is_closing():
            return
        left = peer_left(self._socket)
        if left:
            self._left()
        elif left is not None:  # else it is for the probes to find out
            self._handle = self._loop.call_later(_LOOK, self._look)

    def _left(self) -> None:
        self._transport.abort()
