"""A client's side of a connection: what is done to the client, whatever it asked.

Of aiohttp's ``RequestHandler`` this uses, beyond its documented API, the names that
``tests/edge/test_aiohttp_contract.py`` lists.
"""

import asyncio
import contextlib
import socket
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from proxy.core.errors import ProxyError
from proxy.edge.connections import ConnectionTracker
from proxy.edge.http1.half_close import AT_ONCE, HalfClosed, may_read_on
from proxy.edge.http1.request_reader import READ_BUFFER
from proxy.edge.http1.sender import sender
from proxy.edge.http1.write_stall import WriteStallTimer, being_read
from proxy.edge.options import ServerOptions
from proxy.edge.responses import ErrorsOptions
from proxy.http.fields import Fields
from proxy.net.half_tls import HalfTls, hear_of_end
from proxy.net.small_reads import CROWDED, HIGH_WATER, IN_HAND, SmallReads, read_large, read_small
from proxy.net.sockets import RESET


class ClientTransport(RequestHandler):
    """Writes to a client, notices when it leaves, and ends the connection so that it can tell."""

    __slots__ = (
        "_descriptor",
        "_errors",
        "_half",
        "_reads",
        "_server_options",
        "_socket",
        "_tls",
        "_tracker",
        "_write_stall",
        "identity",
        "ignored",
        "introduced",
        "peer",
        "peer_known",
        "refusal",
        "scheme",
        "sender",
    )

    def __init__(
        self, server: web.Server, options: ServerOptions, tracker: ConnectionTracker, **kwargs: Any
    ) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            read_bufsize=READ_BUFFER,
            keepalive_timeout=0,  # a clock of ours
            lingering_time=0,
            auto_decompress=False,
            **kwargs,
        )
        self._server_options = options
        self._tracker = tracker
        self._write_stall: WriteStallTimer | None = None
        self._reads: SmallReads | None = None
        """Reads instead of this: the first request, bodies, and where much is in hand anything."""
        self._half: HalfClosed | None = None  # where the client has sent all that it will
        self._tls: HalfTls | None = None
        self._socket: Any = None
        self._errors: ErrorsOptions | None = None
        """How our answers look where no request has a route."""
        self.ignored = 0
        """Bytes of an upload that came behind its refusal."""
        self.introduced: str | None = None
        """What a balancer has said of the client (``edge/entrance``): its address, or empty."""
        self.refusal: ProxyError | None = None
        """Why nothing is served on this connection."""
        self.peer = ""
        """Address of the other side; empty on a unix socket."""
        self.peer_known = True
        """See ``ClientStream``."""
        self.identity: Fields = []
        """What the upstream is told of the certificate that the client has shown."""
        self.sender = ""
        """Where it is the same, the same bytes say the same."""
        self.scheme = "http"
        """What the client speaks on this connection; https on a listener with TLS."""

    # What aiohttp calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note who it is."""
        self._socket = transport.get_extra_info("socket")
        self._descriptor: int = self._socket.fileno()  # -1 later, over TLS even before its end
        who = sender(transport, self.introduced)
        self.peer, self.peer_known, self.identity, self.sender = who
        if (encryption := transport.get_extra_info("ssl_object")) is not None:
            self.scheme = "https"
            self._tls = hear_of_end(encryption, self._tls_ended)
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(HIGH_WATER)  # type: ignore[union-attr]

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the clock; the handler is cancelled by aiohttp."""
        if self._write_stall is not None:
            self._write_stall.close()
            self._write_stall = None  # over TLS its transport holds this
        if self._half is not None:
            self._half.close()
        if self._tls is not None:  # it holds this
            self._tls.on_end = None
        if self._reads is not None:
            self._reads.written()
            self._reads = None  # it holds this
        self._tracker.hangups.forget(self._descriptor, self._socket)
        super().connection_lost(exc)

    def _pause_transport_reading(self) -> None:
        """Hold an upload or a pipeline back, but see its end."""
        super()._pause_transport_reading()
        if self.transport is not None and (descriptor := self._socket.fileno()) >= 0:
            self._tracker.hangups.watch(descriptor, self._ended_unread, of=self._socket)

    def _awaiting(self) -> float | None:
        """Seconds that a whole request has waited for its answer; None here: see Connection."""
        return None

    @property
    def _uploading(self) -> bool:
        """Whether the body of a request is still coming."""
        return False

    @property
    def _open_ended(self) -> bool:
        """Whether a reply is under way whose end is that of the connection: a FIN would lie."""
        return False

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client has sent all that it will. Says whether it is still to be answered."""
        waited = None if self.transport is None or self._force_close else self._awaiting()
        if waited is not None and self._half_closed(fresh=waited <= AT_ONCE):
            return True
        if self._open_ended:
            self.cut(reset=True)
        return False

    def _tls_ended(self) -> None:
        if not (self.gone or self.eof_received()):
            self.transport.close()  # type: ignore[union-attr]

    def _ended_unread(self) -> None:
        """The client's end has come, behind bytes that are not read for now."""
        if self.transport is None or self._half_closed(fresh=False):
            return
        if self._open_ended:
            self.cut(reset=True)
        else:
            self.transport.abort()

    def _half_closed(self, *, fresh: bool) -> bool:
        """Whether a client that sends nothing more waits for its answer; it is watched then."""
        transport, policy = self.transport, self._server_options.half_close
        if transport is None or not may_read_on(self._socket, self._tls, policy, fresh=fresh):
            return False
        if self._half is None:
            self._half = HalfClosed(self._loop, transport, self._socket, self._tracker.hangups)
        self._half.watch()
        return True

    def _resume_transport_reading(self) -> None:
        """Let it go on."""
        self._tracker.hangups.forget(self._descriptor, self._socket)
        super()._resume_transport_reading()

    # Reading

    def expect_body(self, held: int) -> SmallReads | None:
        """Count what is read from now on, beside ``held`` bytes of it that came before."""
        if self._reads is None:
            self._reads = read_small(self, held)
        return self._reads

    def _written(self) -> None:
        """The request has been served."""
        if (reads := self._reads) is not None:
            reads.written()
            if IN_HAND.bytes <= CROWDED:
                self._reads = None
                read_large(self)

    # Tunnels, see core/reply

    def take_over(self, protocol: asyncio.Protocol) -> tuple[asyncio.Transport, bytes]:
        """Raises ConnectionError where the client has gone."""
        transport = self.transport
        if transport is None or transport.is_closing() or self._half is not None:
            raise ConnectionResetError("client gone")
        self._tracker.hangups.forget(self._descriptor, self._socket)
        transport.set_protocol(protocol)
        if self._reads is not None:
            self._reads.written()
            self._reads = None
        early, self._message_tail = self._message_tail, b""
        return transport, early

    # WriteStallTimer

    @property
    def gone(self) -> bool:
        """Whether nobody is there to answer."""
        return self.transport is None or self.transport.is_closing()

    @property
    def unfinished(self) -> bool:
        """Whether a request waits, its reply is still being read, or its upload is ignored."""
        owes = (self._uploading and not self.gone) or being_read(self.transport, self._socket)
        if self._force_close or self.gone:
            return owes
        return owes or self._awaiting() is not None  # a head that is coming is no request yet

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
        writing = self._write_timer(self.transport)
        writing.watch()
        await self._drain_helper()
        writing.clear()

    # Endings

    def close_idle(self) -> None:
        """End a connection on which nobody is to be told anything."""
        if self.scheme == "https":
            self.hang_up()  # not every client answers a close_notify
        else:
            self.force_close()

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
            elif not self._uploading:  # TLS has no end of one side that the other survives
                transport.close()  # close_notify behind what was written; the clock below ends it
        self._resume_transport_reading()
        self._write_timer(transport).linger(self._ignored)

    def _ignored(self) -> int:
        """Bytes of a refused upload since this was asked last; in a drain nobody waits."""
        size, self.ignored = self.ignored, 0
        return 0 if self._tracker.retiring else size

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
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            transport.abort()
        else:
            (timer := self._write_timer(transport)).watch()
            transport.close()
            if self.scheme == "https":  # not every client answers a close_notify
                timer.linger(self._ignored)

    def _write_timer(self, transport: asyncio.Transport) -> WriteStallTimer:
        """Made when it is first wanted: most clients take what they asked for at once."""
        if self._write_stall is None:
            patience = self._server_options.write_idle_timeout
            self._write_stall = WriteStallTimer(
                self._loop, patience, self._stuck, transport, self._socket
            )
        return self._write_stall

    def _stuck(self) -> None:
        """A client has stopped taking its reply."""
        self.cut(reset=True)
