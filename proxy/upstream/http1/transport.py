"""An upstream's side of a connection: its life, its clock, and what the kernel knows of it."""

import asyncio
import contextlib
import os
import select
import socket
from collections.abc import Callable, Iterator
from typing import Any, Final

from aiohttp.client_proto import ResponseHandler

from proxy.net.short_queue import ShortQueue
from proxy.net.sips import HIGH_WATER, Sips, gulp
from proxy.net.sockets import acknowledged, unsent
from proxy.net.timers import Alarm

_READ: Final = 256 << 10
_RECORD: Final = 16 << 10
"""Bytes that one record of TLS holds at the most."""
_READS: Final = 8
"""Turns of the loop, each of which reads once: tickets of the session come before an answer."""
_QUICKACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)  # Linux has it
_SPOKEN: Final = select.POLLIN | getattr(select, "POLLRDHUP", 0)


class ServerSide(ResponseHandler):
    """A connection to an upstream, whatever is said on it."""

    # Slots keep aiohttp's own attributes below the thirty that instances may share their keys of,
    # which is 1 KiB a connection.
    __slots__ = (
        "_before",
        "_on_ring",
        "_poll",
        "_rested_at",
        "_resting",
        "_sent",
        "_socket",
        "alarm",
        "encrypted",
        "left_by_peer",
        "lost",
        "replied",
        "sips",
        "unheard",
        "uses",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._buffer = ShortQueue()  # type: ignore[assignment]
        self.uses = 0
        self.replied = False
        """Whether one byte of a reply has come since the request was sent."""
        self.lost: Callable[[], None] | None = None
        """Called when the connection has ended."""
        self.alarm: Alarm  # from when the connection stands, which is told when it ends
        self._on_ring: Callable[[], Exception | None] | None = None
        self._resting = False
        self._rested_at = 0.0
        self._poll: select.poll | None = None
        self._sent = 0
        """Bytes of this request so far."""
        self._before = 0
        """Bytes of the requests before it."""
        self.unheard = False
        """Whether the peer hung up without having received one byte of the request."""
        self.left_by_peer = False
        """Whether it was the peer that ended the connection, and not we."""
        self._socket: Any = None
        self.encrypted = False
        self.sips: Sips | None = None
        """Reads instead of this: the first reply, long bodies, and where much is in hand."""

    # Taking and giving back

    def take(self) -> bool:
        """Rest no more. False where the peer has closed or spoken meanwhile: do not use it.

        The loop may not have seen yet what the kernel has, hence the look at the socket itself.
        """
        self._resting = False
        self.alarm.clear()
        self.uses += 1
        if self.uses == 1:
            return True
        if self.is_connected() and not self._readable():
            return True
        self.left_by_peer = True
        return False

    def rest(self, keepalive: float) -> None:
        """Wait for the next request, ``keepalive`` seconds at most."""
        if (sips := self.sips) is not None:
            self.sips = None
            sips.written()
            gulp(self)
        self._resting = True
        self._rested_at = self._loop.time()
        if keepalive:
            self.alarm.set(self._rested_at + keepalive)

    def rested(self) -> tuple[float, float]:
        """Seconds since it was last given back, and the time on the loop's clock."""
        now = self._loop.time()
        return now - self._rested_at, now

    @property
    def reused(self) -> bool:
        """Whether this is not the first request on the connection."""
        return self.uses > 1

    # Clocks

    def expect(self, seconds: float, on_ring: Callable[[], Exception | None] | None) -> None:
        """Ring in ``seconds``; ``on_ring`` then says what is wrong, or None to wait on."""
        if seconds:
            self._on_ring = on_ring
            self.alarm.set(self._loop.time() + seconds)

    def _rang(self) -> None:
        if self._resting:
            self.close()
        elif self._on_ring is not None and (error := self._on_ring()) is not None:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Let whoever waits for this connection have ``error``; it is not used again."""
        self.set_exception(error)

    # What aiohttp calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Have a clock, and know the socket, to look without reading."""
        super().connection_made(transport)
        self.alarm = Alarm(self._loop, self._rang)
        self.transport.set_write_buffer_limits(HIGH_WATER)  # type: ignore[union-attr]
        self._socket = transport.get_extra_info("socket")
        self.encrypted = transport.get_extra_info("sslcontext") is not None

    def left_unread(self, failed: BaseException) -> Iterator[bytes]:
        """What the kernel still holds when a write has failed: the loop does not read it any more.

        Whoever refuses an upload and hangs up resets the connection; its answer came before that.
        Nothing over TLS, where these bytes mean nothing by themselves, see ``heard``.
        """
        sock = self._socket
        if sock is None or self.encrypted:
            return
        with contextlib.suppress(OSError, ValueError):
            while (descriptor := sock.fileno()) >= 0:
                if not (data := os.read(descriptor, _READ)):
                    # The kernel says EPIPE where a FIN came before the reset. Else the write has
                    # taken the reset away; what was read before a reset may be unacknowledged.
                    if not isinstance(failed, BrokenPipeError):
                        return
                    self.left_by_peer = True
                    self.unheard = not self.replied and acknowledged(sock) <= self._before
                    return
                yield data

    def _readable(self) -> bool:
        """Whether the kernel holds bytes or an end that the loop has not told us of."""
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._socket.fileno(), _SPOKEN)
        return bool(self._poll.poll(0))

    def send(self, request: bytes) -> None:
        """Write a whole request, or its head."""
        self._before += self._sent
        self._sent = len(request)
        self.transport.write(request)  # type: ignore[union-attr]

    def send_more(self, data: bytes) -> None:
        """Write what follows the head. Raises ConnectionError where the connection has ended."""
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("upstream closed")
        self._sent += _RECORD if self.encrypted else len(data)  # over one record: see eof_received
        transport.write(data)

    async def heard(self) -> None:
        """Have read what has come before more is written, over TLS.

        A write that fails there takes away what was not read before it, see ``left_unread``.
        """
        for _ in range(_READS):
            if not (self.is_connected() and self._readable()):
                return
            await asyncio.sleep(0)

    def acknowledge(self) -> None:
        """Tell the peer at once that its bytes have come, where more is to follow them.

        A server that writes head and body apart waits for this before the second write (Nagle), and
        the kernel would put it off for 40 ms (RFC 9293 3.8.6.3).
        """
        if self._socket is not None and _QUICKACK is not None:
            with contextlib.suppress(OSError, ValueError):  # a unix socket
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)

    def eof_received(self) -> None:
        """A clean end acknowledges what the peer had until then; a reset would not tell.

        Of several records it does not tell either: what TLS adds to each of those that were not
        taken can make up for one that was.
        """
        self.left_by_peer = True
        if not self.replied and not (self.encrypted and self._sent > _RECORD):
            self.unheard = 0 < self._sent <= self.unsent()
        super().eof_received()

    async def drained(self) -> None:
        """Wait until the transport takes more. Raises ConnectionError where it never will."""
        await self._drain_helper()

    def unsent(self) -> int:
        """Bytes that we wrote and the peer has not taken yet, in user space and in the kernel."""
        return unsent(self.transport, self._socket)
