"""An upstream's side of a connection: its life, its clock, and what the kernel knows of it."""

import asyncio
import contextlib
import math
import os
import select
import ssl
from collections.abc import Callable, Iterator
from typing import Any, Final

from aiohttp.client_proto import ResponseHandler
from aiohttp.streams import StreamReader

from proxy.net.half_tls import HalfTls, hear_of_end, leave_fin
from proxy.net.lost_hosts import LostHosts
from proxy.net.short_queue import ShortQueue
from proxy.net.small_reads import HIGH_WATER, SmallReads, read_large
from proxy.net.sockets import SILENT, acknowledge, ask_when_silent, taken, unsent
from proxy.net.timers import RearmableTimer

_READ: Final = 256 << 10
_RECORD: Final = 16 << 10
"""Bytes that one record of TLS holds at the most."""
_SPOKEN: Final = select.POLLIN | getattr(select, "POLLRDHUP", 0)


class UpstreamTransport(ResponseHandler):
    """A connection to an upstream, whatever is said on it."""

    # Slots keep aiohttp's own attributes below the thirty that instances may share their keys of,
    # which is 1 KiB a connection.
    __slots__ = (
        "_lost_hosts",
        "_on_due",
        "_parked",
        "_parked_at",
        "_poll",
        "_sent",
        "_sent_before",
        "_socket",
        "any_reply_byte",
        "encrypted",
        "ended_by_tls",
        "left_by_peer",
        "on_lost",
        "reads",
        "timer",
        "unacknowledged",
        "usable",
        "uses",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, lost_hosts: LostHosts | None) -> None:
        """``lost_hosts`` looks at the connection as long as it stands."""
        super().__init__(loop)
        self._lost_hosts = lost_hosts
        self._buffer = ShortQueue()  # type: ignore[assignment]
        self.uses = 0
        self.usable = math.inf
        """Seconds for which it may be idle now, as its server says; 0: it is not used again."""
        self.any_reply_byte = False
        """Whether one byte of a reply has come since the request was sent."""
        self.on_lost: Callable[[], None] | None = None
        """Called when the connection has ended."""
        self.timer: RearmableTimer  # from when the connection stands, which is told when it ends
        self._on_due: Callable[[], Exception | None] | None = None
        self._parked = False
        self._parked_at = 0.0
        self._poll: select.poll | None = None
        self._sent = 0
        """Bytes of this request so far."""
        self._sent_before = 0
        """Bytes of the requests before it."""
        self.unacknowledged = False
        """Whether the peer hung up without having received one byte of the request."""
        self.left_by_peer = False
        """Whether it was the peer that ended the connection, and not we."""
        self._socket: Any = None
        self.encrypted = False
        self.ended_by_tls = False
        """Whether the peer said by close_notify that it has sent all that it will."""
        self.reads: SmallReads | None = None
        """Reads instead of this: the first reply, long bodies, and where much is in hand."""

    # Taking and giving back

    def checkout(self) -> bool:
        """Be idle no more. False where the peer has closed or spoken meanwhile: do not use it.

        The loop may not have seen yet what the kernel has, hence the look at the socket itself.
        """
        self._parked = False
        self.timer.disarm()
        self.uses += 1
        if self.uses == 1:
            return True
        transport = self.transport
        if transport is not None and not transport.is_closing() and not self._readable():
            return True
        self.left_by_peer = True
        return False

    def park(self, keepalive: float) -> None:
        """Wait for the next request, ``keepalive`` seconds at most, and ``usable``."""
        if (reads := self.reads) is not None:
            self.reads = None
            reads.written()
            read_large(self)
        self._parked = True
        self._parked_at = self._loop.time()
        if 0 < self.usable < keepalive:
            keepalive = self.usable
        if keepalive < math.inf:
            self.timer.arm(self._parked_at + keepalive)

    def parked_for(self) -> tuple[float, float]:
        """Seconds since it was last given back, and the time on the loop's clock."""
        now = self._loop.time()
        return now - self._parked_at, now

    @property
    def reused(self) -> bool:
        """Whether this is not the first request on the connection."""
        return self.uses > 1

    # Heads

    def arrival(self) -> asyncio.Future[None] | None:
        """Is done when a head or an error has come; None where it is here.

        With ``take`` this is ``read`` without a coroutine, for the one head that nearly all wait
        for.
        """
        if self._buffer or self._eof:
            return None
        self._waiter = waiter = self._loop.create_future()
        return waiter

    def take(self) -> tuple[Any, StreamReader] | None:
        """The head that has come, with the stream of its body; None where ``read`` would raise."""
        return self._buffer.popleft()[0] if self._buffer else None

    # Clocks

    def arm(self, seconds: float, on_due: Callable[[], Exception | None] | None) -> None:
        """Ring in ``seconds``; ``on_due`` then says what is wrong, or None to wait on."""
        if seconds:
            self._on_due = on_due
            self.timer.arm(self._loop.time() + seconds)

    def _on_timer(self) -> None:
        if self._parked:
            self.close()
        elif self._on_due is not None and (error := self._on_due()) is not None:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Let whoever waits for this connection have ``error``; it is not used again."""
        self.set_exception(error)

    # What aiohttp calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Have a clock, and know the socket: to look without reading, and to notice a lost host."""
        super().connection_made(transport)
        self.timer = RearmableTimer(self._loop, self._on_timer)
        self.transport.set_write_buffer_limits(HIGH_WATER)  # type: ignore[union-attr]
        self._socket = transport.get_extra_info("socket")
        ask_when_silent(self._socket, SILENT)
        if self._lost_hosts is not None:
            self._lost_hosts.watch(self._socket)
        self.encrypted = transport.get_extra_info("sslcontext") is not None

    def never_used(self) -> None:
        """Whoever had it made was cancelled: let go of what holds it, which nobody else will."""
        if self.transport is not None:
            self.let_go()
            self.transport = None

    def let_go(self) -> None:
        """It stands no more: nobody watches it."""
        self.timer.close()
        if self._lost_hosts is not None:
            self._lost_hosts.forget(self._socket)

    def unread_in_kernel(self, failed: BaseException) -> Iterator[bytes]:
        """What the kernel still holds when a write has failed: the loop does not read it any more.

        Whoever refuses an upload and hangs up resets the connection; its answer came before that.
        Nothing over TLS, where it has been read before this is called (``net/below_tls``).
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
                    self.unacknowledged = (
                        not self.any_reply_byte and taken(sock) <= self._sent_before
                    )
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
        self._sent_before += self._sent
        self._sent = len(request)
        self.transport.write(request)  # type: ignore[union-attr]

    def send_more(self, data: bytes) -> None:
        """Write what follows the head. Raises ConnectionError where the connection has ended."""
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("upstream closed")
        self._sent += _RECORD if self.encrypted else len(data)  # over one record: see eof_received
        transport.write(data)

    def descriptor(self) -> int:
        """Of a socket for what follows, to be written as it is; -1 where it may not, for now."""
        transport = self.transport
        if transport is None or transport.is_closing() or transport.get_write_buffer_size():
            return -1
        return -1 if self.encrypted else int(self._socket.fileno())

    def sent_past(self, size: int) -> None:
        """So many bytes have been written to the descriptor."""
        self._sent += size

    def acknowledge(self) -> None:
        """Some servers write head and body apart."""
        if self._socket is not None:
            acknowledge(self._socket)

    def eof_received(self) -> None:
        """A clean end acknowledges what the peer had until then; a reset would not tell.

        Of several records it does not tell either: what TLS adds to each of those that were not
        taken can make up for one that was.
        """
        self.left_by_peer = True
        self.ended_by_tls = self.encrypted and _notified(self.transport)
        if not self.any_reply_byte and not (self.encrypted and self._sent > _RECORD):
            self.unacknowledged = 0 < self._sent <= self.unsent()
        super().eof_received()

    def expect_switch(self) -> None:
        """Before an upgrade is offered: an end right behind a 101 is for who takes over.

        Over TLS both may come in one piece; without it, the end comes later.
        """
        if self.encrypted and self.transport is not None:
            hear_of_end(self.transport.get_extra_info("ssl_object"), self._half_ended)

    def _half_ended(self) -> None:
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if self._upgraded:
            leave_fin(transport)
        else:
            self.eof_received()
            transport.close()

    async def drained(self) -> None:
        """Wait until the transport takes more. Raises ConnectionError where it never will."""
        await self._drain_helper()

    def unsent(self) -> int:
        """Bytes that we wrote and the peer has not taken yet, in user space and in the kernel."""
        return unsent(self.transport, self._socket)


def _notified(transport: asyncio.Transport | None) -> bool:
    """Whether a connection over TLS ended by close_notify, and not by a bare FIN.

    uvloop tells protocols of an end only where there was one; asyncio tells of both alike, and then
    OpenSSL wants to read on where there was none.
    """
    connection = None if transport is None else transport.get_extra_info("ssl_object")
    if isinstance(connection, HalfTls) and connection.ended:
        return True
    try:
        return connection is not None and not connection.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except (OSError, ValueError):
        return False
