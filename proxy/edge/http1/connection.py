"""One client connection: its requests as they come in, with clocks and statuses of our own.

Parse errors get their statuses here, before any handler runs.
"""

import asyncio
from typing import Any

from aiohttp import web

from proxy.core.clock import monotonic
from proxy.core.errors import ProxyError
from proxy.core.exchange import Exchange
from proxy.core.ties import Ties
from proxy.edge.connections import ConnectionTracker
from proxy.edge.http1.fast_request_head import FastHeadReader, FastRequest
from proxy.edge.http1.head_clock import HeadClock
from proxy.edge.http1.reply_writer import ReplyWriter
from proxy.edge.options import ServerOptions
from proxy.edge.responses import ErrorsOptions, charge_stalled_client
from proxy.http.fields import RawHeaders
from proxy.http.framing import HEAD_END
from proxy.net.short_queue import ShortQueue
from proxy.net.sockets import unread, unsent


class Connection(ReplyWriter):
    """A client's connection, from its first byte to its last."""

    __slots__ = ("_alone", "_fast", "_request", "_serving", "clock", "ties")

    def __init__(
        self,
        server: web.Server,
        options: ServerOptions,
        tracker: ConnectionTracker,
        fast: FastHeadReader,
        *,
        errors: ErrorsOptions | None,
        **kwargs: Any,
    ) -> None:
        """``errors``: how our answers look before there is a route."""
        super().__init__(server, options, tracker, **kwargs)
        self._messages = ShortQueue()  # type: ignore[assignment]
        self.ties = Ties()
        self._serving = False
        self._parser = (
            None  # edge/http1/request_reader reads instead of aiohttp's (docs/decisions/0016)
        )
        self.clock = HeadClock(self._loop, options, self._head_failed)
        self._fast = fast
        self._request: FastRequest | None = None
        self._alone = b""
        """The head of the request being served, where that came in one piece."""
        self._errors = errors

    # What aiohttp calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Over the limit, refuse before anything is read."""
        super().connection_made(transport)
        refusal = self.refusal or self._tracker.make_room(self._loop.time())
        if refusal is not None:
            self.turn_away(refusal)
        else:
            self.ties.transport = transport
            self._tracker.connected(self)
            self._tracker.lost_hosts.watch(self._socket)
            self.expect_body(0)  # what comes with its first head may wait for a server
            if self._tracker.retiring:
                self.clock.retire()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the clocks; the handler is cancelled by aiohttp."""
        self._tracker.disconnected(self)
        self._tracker.lost_hosts.forget(self._socket)
        self.ties.close()
        self.clock.close()
        self._reader.close()
        self._request = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Usual requests go past the reader; what comes ahead of its turn waits."""
        reader = self._reader
        if self._force_close or self._close:
            if reader.midway:
                self.ignored += len(data)
            return
        idle = not self._messages and not self._serving  # as ``_idle`` has it, without a call
        if idle and not reader.held:
            if (read := self._fast.read(data, self.sender, self.scheme)) is not None:
                exchange, raw = read
                self._whole(exchange, raw)
                return
            self._alone = data
        else:
            self._alone = b""
        reader.feed(data)
        if idle:
            self._advance()
        if reader.full and not self._buffer_paused and not self._idle:  # a head has a limit
            self._pause_reading_for_buffer()

    def _advance(self) -> None:
        """Take the next request from what has come, where its head is whole."""
        try:
            request = self._reader.next()
        except ProxyError as error:
            self.refuse(error, begun_at=self.clock.begun_at)
            return
        if request is not None:
            request.begun_at = self.clock.begun_at
            alone = self._alone
            if self._reader.begun or self._reader.midway:
                self._alone = b""  # it is not all that came, or has not come as a whole
            elif alone and request.head.length:
                self._alone = alone[: alone.find(HEAD_END) + len(HEAD_END)]
            self._take(request)
        elif self._reader.begun:
            self.clock.begin()

    def _whole(self, exchange: Exchange, raw: RawHeaders) -> None:
        if self._request is None:
            self._request = FastRequest(self)
        self._take(self._request.hold(exchange, raw))

    def _take(self, request: Any) -> None:
        self.clock.end()
        self._messages.append(request)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def pause_reading(self) -> None:
        """A body comes faster than it is read."""
        self._reading_paused = True
        self._pause_transport_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """It has been read, or has ended."""
        self._reading_paused = False
        if not self._buffer_paused:
            self._resume_transport_reading()

    def take_over(self, protocol: asyncio.Protocol) -> tuple[asyncio.Transport, bytes]:
        """Also what came behind the request."""
        transport, early = super().take_over(protocol)
        return transport, early + self._reader.early()

    async def start(self) -> None:
        """Serve until the client leaves, which cancels this.

        It is aiohttp's loop over the requests of a connection, without what a proxy has no use for:
        a task, a writer, an access log entry and a timer for each request, which are a fifth of the
        cost of a small one (``docs/decisions/0005``).

        A task that ends by an error keeps it, and with it this frame and the connection, until the
        garbage collector finds them.
        """
        server = self._manager
        assert server is not None
        try:
            while not self._force_close:
                if not self._messages and self._reader.held and not self._looked_behind():
                    return
                if self._half is not None and (not self._messages or self._reader.midway):
                    break  # nothing more will come
                if not self._messages:
                    self.clock.rest()
                    self._waiter = self._loop.create_future()
                    try:
                        await self._waiter
                    finally:
                        self._waiter = None
                request: Any = self._messages.pop()
                self.reusable = type(request) is FastRequest or request.head.keep_alive
                if self._half is not None and not self._reader.begun:
                    self.reusable = False
                self._serving = True
                answered = await server.request_handler(request)
                self._serving = False
                self._finish()
                if not answered:
                    break
                if not self.persists:  # as the reply said: in a drain the next one says otherwise
                    self.hang_up()
                    break
            if not self._force_close and self.transport is not None:
                self.transport.close()
        except asyncio.CancelledError:
            pass

    def _looked_behind(self) -> bool:
        """A reply is out: what came behind its request has its turn. False where that was junk."""
        self._advance()
        if self._force_close:
            return False
        if self._buffer_paused and (self._idle or not self._reader.full):
            self._resume_reading_for_buffer()
        return True

    # Heads

    @property
    def _idle(self) -> bool:
        """Whether no request is waiting or being served."""
        return not self._messages and not self._serving

    def _awaiting(self) -> float | None:
        """Seconds for which a whole request has waited for its answer; None where none does."""
        if self._idle or self._reader.midway:
            return None
        if not self._serving:
            return 0.0
        exchange = self.exchange
        return None if exchange.upgrade else monotonic() - exchange.asked_at

    @property
    def _uploading(self) -> bool:
        return self._reader.midway

    @property
    def _open_ended(self) -> bool:
        return self._serving and self.exchange.committed and self.exchange.version < (1, 1)

    def eof_received(self) -> bool:  # type: ignore[override]
        """As above; the last of its requests ends the connection."""
        answered = super().eof_received()
        if answered and not self._reader.begun:
            self.reusable = False
        return answered

    def _head_failed(self, error: ProxyError | None) -> None:
        """A head is too long or too late, or the connection has rested long enough."""
        if error is not None and self._idle:
            self.refuse(error, begun_at=self.clock.begun_at)
        elif self._idle and unread(self._socket):
            self.clock.rest()  # a request has come: the loop tells of it in a moment
        elif self._idle:
            self.close_idle()

    # Requests

    def remember(self, raw: RawHeaders) -> None:
        """A request like this one may come again, where it came in one piece."""
        alone, self._alone = self._alone, b""
        if alone and self.reusable:
            self._fast.learn(alone, self.exchange, raw, self.sender, self.scheme)

    def _finish(self) -> None:
        """The request has been served."""
        self._alone = b""
        if self._reads is not None:
            self._written()
        transport = self.transport
        if transport is not None and transport.get_write_buffer_size():
            self._write_timer(transport).watch()

    # Endings

    @property
    def served(self) -> Exchange | None:
        """What is being served."""
        return self.exchange if self._serving else None

    @property
    def resting(self) -> bool:
        """Whether nothing is being asked on it, and nothing is still to be read."""
        # Where it is being closed, its client may still be reading.
        return self._idle and not self._reader.begun and not self._force_close

    def give_way(self) -> bool:
        """Close, if nothing is under way in either direction; whether that is so."""
        if not self.resting or unread(self._socket) or unsent(self.transport, self._socket):
            return False
        self.close_idle()
        return True

    def retire(self) -> None:
        """Take one more request at most, and that within a second."""
        self.clock.retire()
        if self.resting:
            self.clock.rest()

    def expire(self) -> None:
        """Close now, whatever is being asked on it."""
        if self._serving and self._task_handler is not None:
            self._task_handler.cancel()
        else:
            self.force_close()

    def _stuck(self) -> None:
        if self._serving:
            charge_stalled_client(self.exchange, self._server_options.write_idle_timeout)
        super()._stuck()
