"""Clients that take their reply slowly, not at all, or to the end."""

import asyncio
from collections.abc import Callable
from socket import AF_UNIX
from typing import Any, Final

from proxy.net.sockets import unsent
from proxy.net.stall_clock import StallClock
from proxy.net.timers import RearmableTimer

LINGER: Final = 1.0
"""Seconds between looks at a connection that is over; its client may still be reading."""
UPLOADING: Final = 16 << 10
"""Bytes between two looks, of a client that sends on without having seen that it was refused."""
LONGEST: Final = 30.0
"""Seconds that such a client has to end its upload; nginx gives it as many."""
_FIN: Final = 1
"""It counts as a byte until the client's kernel has taken it, which may put that off for 40 ms."""


class WriteStallTimer:
    """The writing side of a client's connection, on the clock of ``write_idle_timeout``."""

    __slots__ = (
        "_clock",
        "_held",
        "_lingering",
        "_loop",
        "_patience",
        "_socket",
        "_stuck",
        "_timer",
        "_transport",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        patience: float,
        stuck: Callable[[], None],
        transport: asyncio.Transport,
        socket: Any,
    ) -> None:
        """``patience`` in seconds, zero for no end; ``stuck`` is called when it is over."""
        self._loop = loop
        self._patience = patience
        self._stuck = stuck
        self._timer = RearmableTimer(loop, self._look)
        self._clock = StallClock(patience)
        self._held = 0
        """Bytes that wait in a pipe (``net/splice``) instead of in the transport."""
        self._lingering: asyncio.TimerHandle | None = None
        self._transport = transport
        self._socket = socket

    def watch(self) -> None:
        """The client is to take something within the patience."""
        if self._patience:
            self._timer.arm(self._clock.begin(self._unsent(), self._loop.time()))

    def wait(self, held: int) -> None:
        """The client takes nothing for now of so many bytes in a pipe; 0: it has taken them."""
        self._held = held
        if held:
            self.watch()
        else:
            self.clear()

    def clear(self) -> None:
        """It has taken what was written."""
        self._timer.disarm()

    def close(self) -> None:
        """The connection is gone."""
        self._timer.close()
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        self._stuck = _nobody  # it holds the connection, which holds this

    def linger(self, ignored: Callable[[], int]) -> None:
        """End the connection when the client has all of it, or has stopped taking it.

        Closing on bytes that nobody read would reset the connection, and what the client has not
        read yet would be lost. A client that reads only behind its upload is not cut meanwhile.
        ``ignored``: how many bytes it has sent since this was asked last.
        """
        if self._lingering is None:
            now = self._loop.time()
            self._look_again(self._unsent(), now, now + LONGEST, ignored)

    def _look_again(self, left: int, since: float, end: float, ignored: Callable[[], int]) -> None:
        self._lingering = self._loop.call_later(LINGER, self._linger_on, left, since, end, ignored)

    def _linger_on(self, last: int, since: float, end: float, ignored: Callable[[], int]) -> None:
        transport = self._transport
        encrypted = not transport.can_write_eof()  # then it is closing while its last words go out
        if transport.is_closing() and not encrypted:
            return
        now = self._loop.time()
        left = _owed(transport, self._socket, lasts=encrypted)
        if left < last:
            since = now
        uploading = ignored() >= UPLOADING and now < end
        stuck = self._patience and now - since >= self._patience
        if (left and stuck) or not (left or uploading):
            transport.abort()
        else:
            self._look_again(left, since, end, ignored)

    def _unsent(self) -> int:
        return self._held + unsent(self._transport, self._socket)

    def _look(self) -> None:
        if not (self._held or self._transport.get_write_buffer_size()):
            return
        again = self._clock.look(self._unsent(), self._loop.time())
        if again is None:
            self._stuck()
        else:
            self._timer.arm(again)


def being_read(transport: asyncio.Transport | None, socket: Any) -> bool:
    """Whether a client is still to take what was written before its connection was hung up."""
    if transport is None:
        return False
    encrypted = not transport.can_write_eof()
    if transport.is_closing() and not encrypted:
        return False
    return _owed(transport, socket, lasts=encrypted) > _FIN


def _owed(transport: asyncio.Transport, socket: Any, *, lasts: bool) -> int:
    """Bytes that the client would lose if its connection ended now."""
    plain = not lasts  # over TLS the transport does not say what waits below it
    if plain and getattr(socket, "family", None) == AF_UNIX:  # what is in it outlives this end
        return transport.get_write_buffer_size()
    return unsent(transport, socket, lasts=lasts)


def _nobody() -> None:
    """There is no connection to end."""
