"""One client connection: aiohttp's, with clocks and statuses of our own.

Parse errors get their statuses here, before any handler runs. Of aiohttp's ``RequestHandler`` this
uses, beyond its documented API, the names that ``tests/edge/test_aiohttp_contract.py`` lists.
"""

import asyncio
import contextlib
import socket
import struct
import time
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from proxy.core.errors import (
    BadRequest,
    ConnectionLimit,
    ProxyError,
)
from proxy.core.exchange import Exchange
from proxy.core.options import ServerOptions
from proxy.core.short_queue import ShortQueue
from proxy.edge.failures import DEFAULTS, ErrorsOptions, answer, failure
from proxy.edge.heads import UNLIMITED, Heads
from proxy.edge.identity import identify
from proxy.edge.parsing import parse_error
from proxy.edge.traffic import Traffic
from proxy.edge.writing import Writing

_NO_WRITER: Final = cast(Any, None)
"""We write to the transport ourselves."""

_CLOSE: Final = b"Connection: close\r\n"
_RESET: Final = struct.pack("ii", 1, 0)


class Connection(RequestHandler):
    """A client's connection, from its first byte to its last."""

    __slots__ = (
        "_body",
        "_server_options",
        "_serving",
        "_side",
        "_socket",
        "_traffic",
        "errors",
        "exchange",
        "heads",
        "peer",
        "reusable",
    )

    def __init__(
        self, server: web.Server, options: ServerOptions, traffic: Traffic, **kwargs: Any
    ) -> None:
        loop = asyncio.get_running_loop()
        # The parser's limits tell a request line from a field by one byte of difference.
        line = options.max_header_size or UNLIMITED
        super().__init__(
            server,
            loop=loop,
            max_line_size=line,
            max_field_size=line + 1,
            max_headers=line,
            keepalive_timeout=0,  # a clock of ours
            lingering_time=0,
            auto_decompress=False,
            **kwargs,
        )
        self._messages = ShortQueue()  # type: ignore[assignment]
        self._server_options = options
        self._traffic = traffic
        self._serving = False
        self.heads = Heads(loop, options, self._head_failed)
        self._side: Writing | None = None
        self._body: StreamReader | None = None
        self._socket: Any = None
        self.peer = ""
        """Address of the other side; empty on a unix socket."""
        self.reusable = True  # whether another request may follow the one that is being served
        self.exchange: Exchange
        """The request that is being served."""
        self.errors: ErrorsOptions | None = DEFAULTS  # how our answers look on its route

    # What aiohttp calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note who it is; over the limit, refuse before anything is read."""
        self._socket = transport.get_extra_info("socket")
        peername = transport.get_extra_info("peername")
        self.peer = peername[0] if isinstance(peername, tuple) else ""
        if self._traffic.full:
            self.transport = cast(asyncio.Transport, transport)
            self.refuse(ConnectionLimit("too many connections"))
        else:
            self._traffic.connections.add(self)
            super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the clocks; the handler is cancelled by aiohttp."""
        self._traffic.disconnected(self)
        self.heads.close()
        if self._side is not None:
            self._side.close()
        self._traffic.departures.forget(self._socket.fileno())
        super().connection_lost(exc)

    def _pause_transport_reading(self) -> None:
        """Hold an upload or a pipeline back, but see its end."""
        super()._pause_transport_reading()
        if self.transport is not None and (descriptor := self._socket.fileno()) >= 0:
            self._traffic.departures.watch(descriptor, self.transport.abort)

    def _resume_transport_reading(self) -> None:
        """Let it go on."""
        self._traffic.departures.forget(self._socket.fileno())
        super()._resume_transport_reading()

    def data_received(self, data: bytes) -> None:
        """Parse; watch how long and how slow a head gets, and errors that concern a body."""
        if self._force_close:
            return
        if data and self._idle and not (data := self.heads.admit(data)):
            return
        known = len(self._messages)
        super().data_received(data)
        arrived = len(self._messages) - known
        if not arrived:
            self.heads.went_on(data, idle=self._idle)
        else:
            self.heads.ended(data, *self._messages[-1], arrived)
            body = self._body
            if body is not None and not body.is_eof() and body.exception() is None:
                # Nothing but an error can follow a body that has not ended; aiohttp keeps it
                # for after the request, whose handler would wait for ever.
                body.set_exception(BadRequest("malformed body"))

    async def start(self) -> None:
        """aiohttp's loop over the requests of a connection, without what a proxy has no use for.

        That is a task, a writer, an access log entry and a timer for each request: a fifth of the
        cost of a small one (``docs/decisions/0005``). Cancelled when the client leaves.
        """
        server = self._manager
        assert server is not None
        task = asyncio.current_task()
        assert task is not None
        while not self._force_close:
            if not self._messages:
                self.heads.rest()
                self._waiter = self._loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
            message, payload = self._messages.popleft()
            self._consumed()
            if not isinstance(message, RawRequestMessage):
                self.refuse(parse_error(message.exc, message.message or "", self.max_line_size))
                return
            # Behind an upgrade that was not made, the parser may have dropped what followed.
            self.reusable = not (message.should_close or message.upgrade)
            request = web.BaseRequest(message, payload, self, _NO_WRITER, task, self._loop)
            self._serving = True
            response = await server.request_handler(request)
            self._serving = False
            if not response.keep_alive:
                break
        if not self._force_close and self.transport is not None:
            self.transport.close()

    def _consumed(self) -> None:
        """Let the parser go on where pipelined requests had stopped it."""
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()

    # Heads

    @property
    def _idle(self) -> bool:
        """Whether no request is waiting or being served."""
        return not self._messages and not self._serving

    def _head_failed(self, error: ProxyError | None) -> None:
        """A head is too long or too late, or the connection has rested long enough."""
        if error is not None and self._idle:
            self.refuse(error)
        elif self._idle:
            self.force_close()

    # Requests

    def begin(self, body: StreamReader) -> None:
        """A request is being served; errors of its body are to reach whoever reads it."""
        self._body = body

    def finish(self) -> None:
        """The request has been served."""
        self._body = None
        transport = self.transport
        if transport is not None and transport.get_write_buffer_size():
            self._writing(transport).watch()

    @property
    def gone(self) -> bool:
        """Whether nobody is there to answer."""
        return self.transport is None or self.transport.is_closing()

    def put(self, data: bytes) -> None:
        """Write. Raises ConnectionError where the client has gone."""
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("client gone")
        transport.write(data)

    async def drained(self) -> None:
        """Wait until the client has taken enough of what was written."""
        if self.transport is None:
            raise ConnectionResetError("client gone")
        writing = self._writing(self.transport)
        writing.watch()
        await self._drain_helper()
        writing.clear()

    # Endings

    def retire(self) -> None:
        """Close now if nothing is being asked on it."""
        if self._idle and not self.heads.begun:
            self.force_close()

    def expire(self) -> None:
        """Close now, whatever is being asked on it."""
        if self._serving and self._task_handler is not None:
            self._task_handler.cancel()
        else:
            self.force_close()

    def refuse(self, error: ProxyError) -> None:
        """Answer a request that never became one, and hang up."""
        exchange = Exchange("", b"", (), client=self.peer, started=time.monotonic())
        exchange.request_id = identify(())[1]
        exchange.status, exchange.error = failure(error)
        if not self.gone:
            head, body = answer(error, request_id=exchange.request_id, hop=_CLOSE)
            exchange.bytes_out = len(body)
            self.put(head + body)
        self.hang_up()
        self._traffic.record(exchange, time.monotonic())

    def hang_up(self) -> None:
        """Ignore what still comes, and close when the client has read all that was sent."""
        transport = self.transport
        self._force_close = True
        if self._waiter is not None:
            self._waiter.cancel()
        if transport is None or transport.is_closing():
            return
        with contextlib.suppress(OSError):  # reset a moment ago
            if transport.can_write_eof():
                transport.write_eof()
        self._resume_transport_reading()
        self._writing(transport).linger()

    def cut(self, *, reset: bool) -> None:
        """End a reply that cannot be finished, so that the client can tell.

        A short Content-Length or a missing last chunk tells it; ``reset`` is for bodies that only
        the end of the connection delimits, where a clean end would pass for the whole.
        """
        transport = self.transport
        self._force_close = True
        if transport is None:
            return
        if reset:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()
        else:
            self._writing(transport).watch()
            transport.close()

    def _writing(self, transport: asyncio.Transport) -> Writing:
        """Made when it is first wanted: most clients take what they asked for at once."""
        if self._side is None:
            patience = self._server_options.write_idle_timeout
            self._side = Writing(self._loop, patience, self._stuck, transport, self._socket)
        return self._side

    def _stuck(self) -> None:
        """A client has stopped taking its reply."""
        if self._serving:
            self.exchange.error = "connection_write_timeout"
        self.cut(reset=True)
