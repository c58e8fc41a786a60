"""The connections of operators: few, and none that only sits there.

The admin listener serves by aiohttp's own handler, which waits for a head as long as it takes and
knows no limit. A client that opens connections and says nothing would use up descriptors.
"""

import asyncio
import logging
from collections import OrderedDict
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from proxy.admin.answers import SERVER

log = logging.getLogger(__name__)

MOST: Final = 128
"""Connections at a time. The one that has been silent for the longest time gives way: who holds
all of them must not lock operators out."""
FIRST: Final = 10.0
"""Seconds from a connection to its first request."""
NEXT: Final = 75.0
"""Seconds from a request to the next one, the time to read the answer included."""


class Door:
    """Makes the protocol of each connection."""

    __slots__ = ("_server", "_visitors")

    def __init__(self, server: web.Server) -> None:
        self._server = server
        self._visitors: OrderedDict[Visitor, asyncio.TimerHandle] = OrderedDict()

    def __call__(self) -> "Visitor":
        """One for a new connection."""
        return Visitor(self, self._server)

    def came(self, visitor: "Visitor") -> None:
        """A connection stands."""
        if len(self._visitors) >= MOST:
            next(iter(self._visitors)).cut()
        self._wait(visitor, FIRST)

    def asked(self, visitor: "Visitor") -> None:
        """The head of a request is here."""
        if visitor in self._visitors:
            self.left(visitor)
            self._wait(visitor, NEXT)

    def left(self, visitor: "Visitor") -> None:
        """A connection has ended."""
        timer = self._visitors.pop(visitor, None)
        if timer is not None:
            timer.cancel()

    def _wait(self, visitor: "Visitor", seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._visitors[visitor] = loop.call_later(seconds, visitor.cut)


class Visitor(RequestHandler):
    """One connection."""

    __slots__ = ("_door",)

    def __init__(self, door: Door, server: web.Server) -> None:
        silent: Any = None
        super().__init__(
            server, loop=asyncio.get_running_loop(), keepalive_timeout=NEXT, access_log=silent
        )
        self._door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait."""
        super().connection_made(transport)
        self._door.came(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Wait no more."""
        self._door.left(self)
        super().connection_lost(exc)

    async def _handle_request(self, *args: Any, **kwargs: Any) -> Any:
        """What aiohttp calls for each request."""
        self._door.asked(self)
        return await super()._handle_request(*args, **kwargs)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """What aiohttp calls for each answer, those to malformed requests included.

        By itself it tells everybody its own version and Python's.
        """
        if not resp.prepared:
            resp.headers.setdefault("Server", SERVER)
        return await super().finish_response(request, resp, start_time)

    def log_exception(self, *args: Any, **known: Any) -> None:
        """What a stranger sends that is no HTTP is no fault of ours: a line without a traceback."""
        fault = known.get("exc_info")
        if isinstance(fault, HttpProcessingError):
            log.debug("a connection of the admin listener sent no HTTP: %s", fault.message)
        else:
            super().log_exception(*args, **known)

    def stay(self) -> None:
        """Its answer goes on for as long as it is listened to; who gives it sees to the rest."""
        self._door.left(self)

    def cut(self) -> None:
        """End it, whatever is under way."""
        self._door.left(self)
        if self.transport is not None:
            self.transport.abort()
