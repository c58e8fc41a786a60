"""What a client of aiohttp sends behind an offer to go over to another protocol.

It waits here until the upstream has answered. If that has gone over, the bytes are passed on as
they come. If it has declined, they are HTTP again, and aiohttp's parser has the connection back.
Whatever is behind an offer when a reply declines it may be either, so that reply is the last one.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final

from aiohttp import web

from proxy.http.upgrade import offered
from proxy.net.between import Between

_AHEAD: Final = 256 << 10
"""Bytes that wait to be taken; more stop the client."""


def tunnels(request: web.Request) -> bool:
    """Whether it offers another protocol, for which bytes have to stay as they come.

    aiohttp reads a body by HTTP, so a request that has one goes on without the offer.
    """
    offers = request.version >= (1, 1) and offered(request.raw_headers)
    return bool(offers) and not request.body_exists


def leave(theirs: socket.socket) -> None:
    """Tell the proxy that the client has gone."""
    with contextlib.suppress(OSError):
        theirs.shutdown(socket.SHUT_RDWR)


class TunnelEnd(Between, asyncio.Protocol):
    """Stands before the proxy's end of a tunnel, for which a socket pair has no resets."""

    __slots__ = ("_error", "_transport", "_was_reset")

    def __init__(
        self,
        protocol: asyncio.Protocol,
        transport: asyncio.Transport,
        was_reset: Callable[[], bool],
    ) -> None:
        """``was_reset``: says whether the client has reset its connection."""
        super().__init__(protocol)
        self._transport = transport
        self._was_reset = was_reset
        self._error: Exception | None = None

    def data_received(self, data: bytes) -> None:
        """It has said this."""
        self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        """A reset is one here too, behind all that came before."""
        if not self._was_reset():
            return super().eof_received()
        self._error = ConnectionResetError("reset by the client")
        self._transport.abort()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Likewise."""
        super().connection_lost(exc or self._error)


class Offer:
    """Stands in the place of aiohttp's parser from the offer on."""

    def __init__(self, request: web.Request, theirs: socket.socket) -> None:
        self._handler = request.protocol
        self._theirs = theirs
        self._waiting = bytearray()
        self._moved = asyncio.Event()
        self.accepted = False
        """Whether the upstream has gone over: what comes is its own."""
        self._ended = self._gone = self._over = False
        self._handler.set_parser(self)  # type: ignore[arg-type]  # what aiohttp asks of one

    @property
    def followed(self) -> bool:
        """Whether anything may have come behind it that nobody has taken.

        Of offers of anything but a WebSocket nobody knows: aiohttp drops what came in one piece.
        """
        return bool(self._waiting) or not self._handler._upgraded

    def accept(self) -> None:
        """The upstream has gone over."""
        self.accepted = True
        self._moved.set()

    def give_back(self) -> None:
        """The upstream has declined: what comes is another request."""
        handler = self._handler
        handler._payload_parser = None
        if self._waiting:
            handler.data_received(bytes(self._waiting))
        handler.resume_reading()

    async def pass_on(self) -> None:
        """Send what comes once it has been accepted, up to its end. Raises OSError."""
        loop = asyncio.get_running_loop()
        while data := await self._read():
            await loop.sock_sendall(self._theirs, data)
        self._over = True
        self._theirs.shutdown(socket.SHUT_RDWR if self._gone else socket.SHUT_WR)

    async def _read(self) -> bytes:
        """What has come; empty: that was all."""
        while not (self.accepted and (self._waiting or self._ended)):
            self._moved.clear()
            await self._moved.wait()
        data = bytes(self._waiting)
        self._waiting.clear()
        self._hold(False)
        return data

    def _hold(self, held: bool) -> None:
        """Hold the client back, or no longer.

        ``pause_reading`` of aiohttp's handler has its parser wait too, which for anything but a
        WebSocket fails, as there is no body.
        """
        transport = self._handler.transport
        if transport is not None:
            with contextlib.suppress(RuntimeError):  # uvloop, of one that is closing
                if held:
                    transport.pause_reading()
                else:
                    transport.resume_reading()

    # What is heard of the client

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """It has sent this. aiohttp calls it."""
        self._waiting += data
        self._moved.set()
        if len(self._waiting) > _AHEAD:
            self._hold(True)
        return False, b""

    def feed_eof(self) -> None:
        """It has gone. aiohttp calls it."""
        self.lost()

    def half_closed(self) -> bool:
        """It sends nothing more. Whether it may still be told something."""
        if not self.accepted:
            return False
        self._ended = True
        self._moved.set()
        return True

    def lost(self) -> None:
        """It has gone; what it has sent before still goes on."""
        self._gone = True
        if self._over or not self.half_closed():
            leave(self._theirs)
