"""Replies that were sent already, past aiohttp, and what an application would send behind them.

aiohttp does not know that a request was answered. What a middleware of the application around the
proxy answers then would be a second reply, which the client takes for the answer to its next
request. So it is dropped, and the connection closed.
"""

import asyncio
import contextlib
import logging
import socket

from aiohttp import web

from proxy.net.sockets import RESET

log = logging.getLogger(__name__)


class Sent(web.StreamResponse):
    """A reply that has been sent already: for middlewares, and for the access log of aiohttp."""

    def __init__(self, status: int, size: int, *, keep_alive: bool) -> None:
        """``size``: bytes of it, its head included, which the access log shows."""
        super().__init__(status=status)
        self._keep_alive = keep_alive
        self._body_length = size
        self._eof_sent = True  # so to aiohttp it is one that was prepared and has ended


class SecondReplies:
    """Keeps them from clients."""

    def __init__(self) -> None:
        self._told = False
        """Whether the log has it."""

    async def prepared(self, request: web.Request, response: web.StreamResponse) -> None:
        """aiohttp calls this before it writes a reply of its own, or of a middleware."""
        if begun(request):
            what = f"{response.status}, {type(response).__name__}"
            raise self.dropped(request, f"answers it too ({what})")

    def dropped(self, request: web.Request, what: str) -> ConnectionResetError:
        """Drop what the application says behind the proxy's reply, and all that would follow."""
        if not self._told and not gone(request):
            self._told = True
            log.error(
                "the reply of the proxy to %s had been sent when a middleware of the application "
                "around it %s: that is dropped and the connection closed, for each such request",
                request.method,
                what,
            )
        if request.transport is not None:
            request.transport.close()  # once the first one has gone
        return ConnectionResetError("the reply of the proxy has been sent already")


def gone(request: web.Request) -> bool:
    """Whether its client has left, or has been cut off."""
    transport = request.transport
    return transport is None or transport.is_closing()


def begun(request: web.Request) -> bool:
    """Whether a reply to it has begun, whoever sends it."""
    return request.writer.output_size > 0


async def write(request: web.Request, data: bytes, *, drain: bool = True) -> None:
    """Have the client take it. Raises ConnectionError where it has gone.

    ``drain``: wait while it takes too little.
    """
    if gone(request):
        raise ConnectionResetError("client gone")
    await request.writer.write(data, drain=drain)  # type: ignore[call-arg]  # StreamWriter has it


def cut(transport: asyncio.Transport) -> None:
    """End the client's connection so that no reply passes for a whole one."""
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError, ValueError, AttributeError):  # uvloop, once it is closed
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    transport.abort()
