"""Bytes both ways after an upgrade, untouched and with backpressure."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any, Final

from proxy.core.clock import monotonic
from proxy.core.exchange import Exchange
from proxy.core.reply import RawConnection, UpgradedConnection
from proxy.core.samples import Sample, counter, gauge
from proxy.core.words import in_seconds
from proxy.http.websocket import Frames, going_away
from proxy.net.half_tls import HalfTls, end_writing, hear_of_end, leave_fin
from proxy.net.sockets import RESET
from proxy.net.timers import RearmableTimer

_CLOSING: Final = 1.0
"""Seconds for the close frames of both sides once it is time to go."""
_RESETTING: Final = (socket.AF_INET, socket.AF_INET6)


class Side(asyncio.Protocol):
    """One end: what comes from it is written to the other."""

    other: "Side"
    transport: asyncio.Transport

    def __init__(
        self, tunnel: "Tunnel", connection: RawConnection, *, frames: bool, masked: bool
    ) -> None:
        """``frames``: it is a WebSocket; ``masked``: frames that are sent here are."""
        self._tunnel = tunnel
        self._connection = connection
        self._frames = Frames() if frames else None
        self._masked = masked
        self._shut = self._finished = False
        self.held = self.ending = False  # see ``net/half_tls``
        """Whether nothing is read here, since the other side does not take it."""
        self._tls: HalfTls | None = None
        self.early = b""
        self.received = 0
        self.ended = False
        """Whether nothing comes from here any more."""
        self.gone = self.was_cut = False
        """Whether it has ended; whether by a cut, of which a socket pair says nothing."""
        self.error: Exception | None = None

    def take_over(self) -> None:
        """Be told from now on. Raises ConnectionError or UpstreamError."""
        self.transport, self.early = self._connection.take_over(self)
        self._tls = hear_of_end(self.transport.get_extra_info("ssl_object"), self._tls_ended)

    def begin(self) -> None:
        """Pass on what came before, the end included, and what comes now."""
        if self.early:
            self.data_received(self.early)
        self.transport.resume_reading()
        if self._tls is not None and self._tls.ended:
            self._tls_ended()

    def release_connection(self) -> None:
        """Tell whose connection it was that it has ended, and let go of the others."""
        self._connection.connection_lost(self.error)
        del self.other, self._tunnel, self._connection

    # What asyncio calls

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        tunnel, other = self._tunnel, self.other
        tunnel.moved = monotonic()
        self.received += len(data)
        tunnel.count(self, len(data))
        if self._frames is not None:
            self._frames.feed(data)
        if not other._shut:
            other.transport.write(data)
        if tunnel.closing:
            tunnel.continue_closing()

    def eof_received(self) -> bool:
        """Half-close: the other direction goes on, over TLS too (``net/half_tls``)."""
        self.ended = True
        self.other.shut_down()
        if self.other.ended:
            self.finish()
            self.other.finish()
        elif self._tunnel.closing:
            self._tunnel.continue_closing()
        return self.transport.can_write_eof()

    def _tls_ended(self) -> None:
        if not (self.ended or self.transport.is_closing()):
            leave_fin(self.transport)
            self.eof_received()

    def pause_writing(self) -> None:
        """Too much waits to be written here."""
        if not (self._finished or self.other.ended):
            self.other.held = True
            if not self.other.ending:
                self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """It has gone out."""
        if self._finished:
            self.finish()
        elif not self.other.ended:
            self.other.held = False
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """A reset is passed on as one; after a clean end what is buffered still goes out."""
        self.gone = self.ended = self._shut = True
        self.error = exc
        if self._tls is not None:
            self._tls.on_end = None
        if exc is None:
            self.other.finish()
        else:
            self.other.cut()
        self._tunnel.side_lost(self)

    # Endings

    def shut_down(self) -> None:
        """Nothing more is to be written here."""
        if self._shut:
            return
        self._shut = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        elif self.ended:
            self.finish()
        else:
            end_writing(self)

    def tls_failed(self) -> None:
        """As ``net/half_tls`` has it."""
        self._tunnel.tls_failed()

    def close_politely(self) -> None:
        """Say goodbye here, unless that would be in the midst of a frame."""
        frames = self.other._frames
        if self._shut or (frames is not None and not frames.whole):
            return
        if frames is None:
            self.shut_down()
            return
        if not frames.closed:
            self.transport.write(going_away(masked=self._masked))
        self._shut = True  # nothing may follow a close frame

    @property
    def closed_politely(self) -> bool:
        """Whether goodbye was said here, and answered."""
        answered = self.ended or (self._frames is not None and self._frames.closed)
        return self._shut and answered

    def finish(self) -> None:
        """Close once what was written has gone out."""
        self._shut = self._finished = True
        if self.transport.is_closing():
            return
        if self._tls is not None and self._tls.ended and self.transport.get_write_buffer_size():
            self.transport.set_write_buffer_limits(high=0)  # closed when all has gone out
        else:
            self.transport.close()

    def cut(self) -> None:
        """End with a reset: nobody is to take it for a clean end."""
        self._shut = self._finished = True
        sock: Any = self.transport.get_extra_info("socket")
        self.was_cut = self.was_cut or not self.gone
        if not self.gone and sock is not None and sock.fileno() >= 0 and sock.family in _RESETTING:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.transport.abort()


class Tunnel:
    """An upgraded exchange, until both of its ends have gone."""

    def __init__(
        self, exchange: Exchange, client: RawConnection, upstream: UpgradedConnection
    ) -> None:
        frames = upstream.protocol.lower() == b"websocket"
        self._exchange = exchange
        self._protocol = upstream.protocol
        self._idle = upstream.idle
        self._client = Side(self, client, frames=frames, masked=False)
        self._upstream = Side(self, upstream, frames=frames, masked=True)
        self._client.other, self._upstream.other = self._upstream, self._client
        self._loop = asyncio.get_running_loop()
        self._timer = RearmableTimer(self._loop, self._on_timer)
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._over = False
        self._began = self.moved = monotonic()
        self.closing = False

    async def run(self, commit: Callable[[], None]) -> None:
        """Have ``commit`` tell the client, then pass bytes on until the end.

        Raises ConnectionError or UpstreamError where one has gone already. Cancelled, it cuts both.
        """
        client, upstream = self._client, self._upstream
        upstream.take_over()
        try:
            client.take_over()
        except BaseException:
            upstream.other = upstream
            upstream.cut()
            self._over = True
            raise
        try:
            commit()
            for side in (upstream, client):
                side.begin()
            if self._idle:
                self._timer.arm(self._loop.time() + self._idle)
            await self._done
        except BaseException:
            client.cut()
            upstream.cut()
            raise
        finally:
            self._over = True
            self._timer.close()
            self._exchange.bytes_in = client.received
            self._exchange.bytes_out = upstream.received
            for side in (client, upstream):
                if side.gone:  # not now: it would cancel what runs here
                    self._loop.call_soon(side.release_connection)

    def count(self, side: Side, size: int) -> None:
        """So many bytes have come from this end: the exchange is looked at while it goes on."""
        if side is self._client:
            self._exchange.bytes_in += size
        else:
            self._exchange.bytes_out += size

    def side_lost(self, side: Side) -> None:
        """One end has gone."""
        if self._over:
            side.release_connection()
        elif side.other.gone and not self._done.done():
            self._done.set_result(None)

    def tls_failed(self) -> None:
        """Cut both ends: one has sent what is no TLS."""
        self._exchange.error = "tls_protocol_error"
        self._client.cut()
        self._upstream.cut()

    def close_politely(self, *, unheard: bool = False) -> None:
        """End it politely, with close code 1001 where that can be said; within a second."""
        if not self.closing:
            self.closing = True
            self._client.ended = self._client.ended or unheard
            self._timer.arm(self._loop.time() + _CLOSING)
            self.continue_closing()

    def continue_closing(self) -> None:
        """Say goodbye where it has not been said; close where it has been answered."""
        self._client.close_politely()
        self._upstream.close_politely()
        if self._client.closed_politely and self._upstream.closed_politely:
            self._client.finish()
            self._upstream.finish()

    def _on_timer(self) -> None:
        if self.closing:
            self._client.cut()
            self._upstream.cut()
            return
        left = self.moved + self._idle - monotonic()
        if left > 0:
            self._timer.arm(self._loop.time() + left)
        else:
            self._exchange.error = "connection_read_timeout"
            record = self._exchange.record
            record.clock = "tunnel_idle"
            within = f"within tunnel_idle of {in_seconds(self._idle)}"
            record.failure = "", f"nothing came through the tunnel {within}"
            self.close_politely()

    def describe(self, now: float) -> Iterator[Sample]:
        """For operators; ``now`` is monotonic."""
        exchange = self._exchange
        labels = {
            "route": exchange.route,
            "endpoint": exchange.record.endpoint,
            "client": exchange.client,
            "request_id": exchange.request_id,
            "protocol": self._protocol.decode("latin-1"),
        }
        yield gauge("tunnel_age_seconds", now - self._began, labels)
        yield gauge("tunnel_idle_seconds", now - self.moved, labels)
        yield counter("tunnel_bytes_in", self._client.received, labels)
        yield counter("tunnel_bytes_out", self._upstream.received, labels)
