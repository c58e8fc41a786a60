"""One client connection: its requests as they come in, with clocks and statuses of our own.

Parse errors get their statuses here, before any handler runs.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from proxy.core.errors import (
    BadRequest,
    ConnectionLimit,
    ProxyError,
)
from proxy.core.exchange import Exchange
from proxy.core.fields import RawHeaders
from proxy.core.local_limits import complain
from proxy.core.options import ServerOptions
from proxy.core.short_queue import ShortQueue
from proxy.edge.boundary import HEAD_END
from proxy.edge.client_side import ClientSide
from proxy.edge.failures import ErrorsOptions, answer, failure, report, stuck
from proxy.edge.heads import Heads
from proxy.edge.identity import identify
from proxy.edge.parsing import parse_error
from proxy.edge.repeats import RepeatedRequest
from proxy.edge.traffic import Traffic
from proxy.edge.upgrade import Offers, offered

_NO_WRITER: Final = cast(Any, None)
"""We write to the transport ourselves."""

_CLOSE: Final = b"Connection: close\r\n"
_EARLY: Final = 64 << 10
"""Bytes for a protocol that has not been agreed on yet; more are not read before it is."""


class Connection(ClientSide):
    """A client's connection, from its first byte to its last."""

    __slots__ = (
        "_body",
        "_early",
        "_errors",
        "_offers",
        "_recall",
        "_request",
        "_serving",
        "alone",
        "errors",
        "exchange",
        "heads",
        "reusable",
    )

    def __init__(
        self,
        server: web.Server,
        options: ServerOptions,
        traffic: Traffic,
        recall: Callable[[bytes, str], tuple[Exchange, RawHeaders] | None],
        *,
        errors: ErrorsOptions | None,
        **kwargs: Any,
    ) -> None:
        """``recall``: knows requests that came before, see ``edge/repeats``.

        ``errors``: how our answers look before there is a route.
        """
        super().__init__(server, options, traffic, **kwargs)
        self._messages = ShortQueue()  # type: ignore[assignment]
        self._serving = False
        self.heads = Heads(self._loop, options, self._head_failed)
        self._recall = recall
        self._request: RepeatedRequest | None = None
        self.alone = b""
        """The request being served, where it came in one piece and has no body."""
        self._body: StreamReader | None = None
        self._offers = Offers()
        self._early: bytearray | None = None
        """What follows a request that offers another protocol: maybe no HTTP."""
        self.reusable = True  # whether another request may follow the one that is being served
        self.exchange: Exchange
        """The request that is being served."""
        self.errors = self._errors = errors  # how our answers look on its route, and without one

    # What aiohttp calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Over the limit, refuse before anything is read."""
        super().connection_made(transport)
        if self._traffic.full:
            limit = self._traffic.limit
            complain("max_connections", f"{limit} connections are open, more are refused with 503")
            self.refuse(ConnectionLimit(f"{limit} connections are open, which is the limit"))
        else:
            self._traffic.connections.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the clocks; the handler is cancelled by aiohttp."""
        self._traffic.disconnected(self)
        self.heads.close()
        self._request = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Tell heads that came before, offers of other protocols and the rest from each other."""
        if self._force_close or self._close:
            return
        alone = b""
        if data and self._idle:
            if data[-4:] == HEAD_END and self.heads.alone(len(data)):
                alone = data
                if (repeated := self._recall(data, self.peer)) is not None:
                    self._repeated(data, *repeated)
                    return
            if not (data := self.heads.admit(data)):
                return
            if (offer := self._offers.split(data)) is not None:
                self._offered(*offer)
                return
        if self._early is not None:
            self._hold(data)
        else:
            self._parse(data, alone)

    def _offered(self, head: bytes, rest: bytes) -> None:
        """The end of a head that seems to offer another protocol, and what came behind it."""
        self._parse(head, b"")
        if self._messages:
            message, payload = self._messages[-1]
            if payload is EMPTY_PAYLOAD and offered(getattr(message, "raw_headers", ())):
                self._early = bytearray()
        if rest:
            self.data_received(rest)

    def _hold(self, data: bytes) -> None:
        assert self._early is not None
        self._early += data
        if len(self._early) >= _EARLY:
            self._pause_transport_reading()

    def take(self, protocol: asyncio.Protocol) -> tuple[asyncio.Transport, bytes]:
        """Also what was held."""
        transport, early = super().take(protocol)
        return transport, bytes(self._early or b"") + early

    def _parse(self, data: bytes, alone: bytes) -> None:
        """Watch how long and how slow a head gets, and errors that concern a body."""
        known = len(self._messages)
        super().data_received(data)
        arrived = len(self._messages) - known
        self.alone = alone if arrived == 1 and self._messages[-1][1] is EMPTY_PAYLOAD else b""
        if not arrived:
            self.heads.went_on(data, idle=self._idle)
        else:
            self.heads.ended(data, *self._messages[-1], arrived)
            body = self._body
            if body is not None and not body.is_eof() and body.exception() is None:
                # Nothing but an error can follow a body that has not ended; aiohttp keeps it
                # for after the request, whose handler would wait for ever.
                body.set_exception(BadRequest("malformed body"))

    def _repeated(self, data: bytes, exchange: Exchange, raw: RawHeaders) -> None:
        self.heads.arrived(len(data))
        if self._request is None:
            self._request = RepeatedRequest(self)
        request: Any = self._request.bear(exchange, raw)
        self._messages.append((request, EMPTY_PAYLOAD))
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def start(self) -> None:
        """Serve until the client leaves, which cancels this.

        A task that ends by an error keeps it, and with it this frame and the connection, until the
        garbage collector finds them.
        """
        with contextlib.suppress(asyncio.CancelledError):
            await self._serve()

    async def _serve(self) -> None:
        """aiohttp's loop over the requests of a connection, without what a proxy has no use for.

        That is a task, a writer, an access log entry and a timer for each request: a fifth of the
        cost of a small one (``docs/decisions/0005``).
        """
        server = self._manager
        assert server is not None
        task = asyncio.current_task()
        assert task is not None
        message: Any
        while not self._force_close:
            if not self._messages:
                self.heads.rest()
                self._waiter = self._loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
            message, payload = self._messages.pop(0)  # type: ignore[call-arg]
            if type(message) is RepeatedRequest:
                self.reusable = True
                request: web.BaseRequest = message
            else:
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

    # Endings

    @property
    def served(self) -> Exchange | None:
        """What is being served."""
        return self.exchange if self._serving else None

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
            head, body = answer(error, self._errors, request_id=exchange.request_id, hop=_CLOSE)
            exchange.bytes_out = len(body)
            self.put(head + body)
        self.hang_up()
        report(exchange, error)
        self._traffic.record(exchange, time.monotonic())

    def _stuck(self) -> None:
        if self._serving:
            self.exchange.error = "connection_write_timeout"
            stuck(self.exchange, self._server_options.write_idle_timeout)
        super()._stuck()
