"""The proxy as an application of aiohttp, on its own or under a path of another one.

How it works. aiohttp has read the head of a request. It is written out again for a connection of
the proxy's own, one half of a socket pair, whose other half is read and written here: what the
proxy says there goes to the client byte for byte. So the request is checked, its body kept, its
clocks run and its reply framed as on a listener. There is one such connection for each request.
The path that the proxy is mounted at is taken off before (``run/mounted/path``), and what belongs
to the client's own connection is kept beside that (``run/mounted/client``).

What aiohttp has done before cannot be undone: it has read the head with its own rules, which are
more lenient, it drops the fields behind a chunked body, and it decompresses bodies, unless its
server was told not to. A body that it has decompressed is sent on without Content-Encoding.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from functools import partial
from http import HTTPStatus
from typing import Any, Final, cast

import msgspec
from aiohttp import web

from proxy.config.model import Config
from proxy.core.duration import Duration
from proxy.core.errors import BadRequest, ClientError, InternalError, ProxyError
from proxy.core.ties import Ties
from proxy.edge.http1.connection import Connection
from proxy.edge.http1.write_stall import WriteStallTimer
from proxy.edge.responses import error_response
from proxy.edge.tunnel import Side
from proxy.http.request_id import ensure_ids
from proxy.net.accepted import connect
from proxy.run.mounted.client import Client, client_of
from proxy.run.mounted.path import MountPath
from proxy.run.mounted.reply import SecondReplies, Sent, begun, cut, gone, write
from proxy.run.mounted.request import (
    ask_later,
    feed,
    leave_asking,
    lost,
    target_of,
    watched,
)
from proxy.run.mounted.tunnel import Offer, TunnelEnd, leave, tunnels
from proxy.run.runtime import Runtime

log = logging.getLogger(__name__)

_PIECE: Final = 64 << 10
_ANY: Final = r"/{target:[\s\S]*}"  # aiohttp matches decoded paths: ``.`` takes no %0A
_NO_ANSWER: Final = 499
"""As in the access log of the command: the client has left before."""
_LOST: Final = (
    "a part of the request's body was read before the proxy had it, and is gone: a middleware of "
    "the application around the proxy has to read all of it by request.read(), or nothing"
)


class OneRequest(Connection):
    """The proxy's side of the socket pair: it serves one request and ends."""

    __slots__ = ("_tunnel", "answered", "broken", "client", "may_follow", "offer", "resets", "to")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.answered = 0
        """The status of the reply; 0: there was none."""
        self.broken = False
        """Whether the reply could not be finished."""
        self.resets = False
        """Whether only a reset tells its client so."""
        self.may_follow = False
        """Whether its client may ask more on its own connection."""
        self.client: Client
        """Its client's own connection."""
        self.offer: Offer | None = None
        """What the client has offered to go over to another protocol with."""
        self.to: asyncio.Transport | None = None
        """The client's own connection, while it is told what comes here."""
        self._tunnel: Side | None = None
        """This end of the tunnel that it has become."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As on a listener; who it is and what is its alone is that of its own connection."""
        super().connection_made(transport)
        self.peer, self.peer_known, self.identity, self.sender = self.client.sender
        self.ties = self.client.ties
        if self.client.encrypted:
            self.scheme = "https"

    def connection_lost(self, exc: BaseException | None) -> None:
        """As on a listener; what is the client's alone stays until that leaves."""
        self.ties = Ties()
        super().connection_lost(exc)
        if self.was_cut and self.to is not None and self.to.get_write_buffer_size():
            cut(self.to)  # it does not take what has come of it

    def take_over(self, protocol: asyncio.Protocol) -> tuple[asyncio.Transport, bytes]:
        """As on a listener; a reset at one end of the tunnel is one at the other."""
        transport, early = super().take_over(protocol)
        self._tunnel = cast(Side, protocol)
        client = self.client
        transport.set_protocol(TunnelEnd(protocol, transport, lambda: client.was_reset))
        return transport, early

    @property
    def was_cut(self) -> bool:
        """Whether it has become a tunnel that was cut: a socket pair does not tell."""
        return self._tunnel is not None and self._tunnel.was_cut

    def respond(self, status: int, *args: Any, **kwargs: Any) -> int:
        """As on a listener."""
        self.answered = status
        return super().respond(status, *args, **kwargs)

    def head(self, status: int, *args: Any, **kwargs: Any) -> None:
        """As on a listener."""
        self.answered = status
        super().head(status, *args, **kwargs)

    def switch(self, *args: Any, **kwargs: Any) -> None:
        """As on a listener."""
        self.answered = HTTPStatus.SWITCHING_PROTOCOLS
        super().switch(*args, **kwargs)

    def reset(self, *, at_once: bool = False) -> None:
        """As on a listener; the client's connection is to end in the same way."""
        self.broken = True
        self.resets = at_once or self._until_close
        super().reset(at_once=at_once)

    def cut_off(self, client: asyncio.Transport) -> None:
        """Its client has stopped taking the reply."""
        self.broken = True
        cut(client)
        self._stuck()

    def _write_timer(self, transport: asyncio.Transport) -> WriteStallTimer:
        """Nobody is stuck on this side: the client is at the other end of aiohttp's connection."""
        if self._write_stall is None:
            self._write_stall = WriteStallTimer(self._loop, 0, self._stuck, transport, self._socket)
        return self._write_stall

    def _framing(self, status: int, length: int | None, *, last: bool) -> bytes:
        """As on a listener, where what has come behind an offer is held in the reader."""
        followed = self.offer is not None and self.offer.followed
        return super()._framing(status, length, last=last or followed)

    def _finish(self) -> None:
        super()._finish()
        self.may_follow = self.persists and not self.broken
        if self.transport is not None:
            self.transport.close()  # once all that was written has gone


def application(config: Config) -> web.Application:
    """``config`` decides on all but listeners; paths of its routes begin where it is mounted."""
    app = web.Application()
    root = app.router.add_resource("")
    mount = _Mount(config, root)
    app.cleanup_ctx.append(mount.lifespan)
    app.on_shutdown.append(mount.stop)
    app.on_response_prepare.append(mount.second.prepared)
    for resource in (root, app.router.add_resource(_ANY)):
        resource.add_route("*", mount.serve, expect_handler=ask_later)
    return app


class _Mount:
    """A proxy without a listener."""

    def __init__(self, config: Config, root: web.Resource) -> None:
        """``root``: its path becomes the one that the proxy is mounted at."""
        self._config = config
        self._root = root
        self._runtime: Runtime
        self._path: MountPath
        self._stopping: asyncio.Task[bool] | None = None
        self.second = SecondReplies()

    async def lifespan(self, _: web.Application) -> AsyncIterator[None]:
        """From the start of whatever application it is part of to its end.

        Raises CannotStart, or ValueError where it is mounted at no path.
        """
        config, prefix = self._config, self._root.canonical
        server = msgspec.structs.replace(config.server, listen=(), tls=None, proxy_protocol=False)
        shutdown = msgspec.structs.replace(config.shutdown, delay=Duration(0))
        config = msgspec.structs.replace(config, server=server, shutdown=shutdown, admin=None)
        self._path = MountPath(prefix)
        self._runtime = Runtime(config, mount=prefix)
        await self._runtime.open()
        try:
            yield
        finally:
            stopping, self._stopping = self._stopping, None
            if stopping is not None:
                stopping.cancel()
                await asyncio.wait((stopping,))
            await self._runtime.close()

    async def stop(self, _: web.Application) -> None:
        """aiohttp accepts and reads nobody any more, and waits until all has been answered.

        The application around the proxy has its own to do meanwhile: the drain goes on beside that.
        """
        self._stopping = asyncio.get_running_loop().create_task(self._runtime.drain(unheard=True))

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Have the proxy serve it."""
        transport = request.transport
        if transport is None or gone(request):
            return Sent(_NO_ANSWER, 0, keep_alive=False)
        if begun(request):
            raise self.second.dropped(request, "has the proxy answer again")
        if lost(request):
            log.error("%s", _LOST)
            return self._refusal(request, InternalError(_LOST))
        try:
            target = self._path.below(request.method, target_of(request))
        except ClientError as error:
            return self._refusal(request, error)
        leave_asking(request)
        client = client_of(transport)
        loop = asyncio.get_running_loop()
        made: list[OneRequest] = []

        def introduced() -> OneRequest:
            connection = self._runtime.connect(OneRequest)
            assert isinstance(connection, OneRequest)
            connection.client = client
            connection.offer = offer
            made.append(connection)
            return connection

        patience = self._config.server.write_idle_timeout
        writing = client.writing(patience, lambda: made[0].cut_off(transport))
        size = 0
        ours, theirs = socket.socketpair()
        offer = Offer(request, theirs) if tunnels(request) else None
        left_by = partial(leave, theirs) if offer is None else offer.lost
        with theirs, watched(request, left_by), client.tunnelling(offer):
            theirs.setblocking(False)
            await connect(introduced, ours)
            feeding = loop.create_task(
                feed(request, theirs, target, client.own(request.raw_headers), offer)
            )
            made[0].to = transport
            try:
                while data := await loop.sock_recv(theirs, _PIECE):
                    if made[0].answered != HTTPStatus.SWITCHING_PROTOCOLS:
                        writing.watch()
                    elif offer is not None:
                        offer.accept()
                    await write(request, data, drain=not made[0].was_cut)
                    writing.clear()
                    size += len(data)
                    if not made[0].answered:  # 1xx: the reply has not begun
                        request.writer.output_size = 0
                if transport.get_write_buffer_size():
                    writing.watch()
                else:
                    writing.close()
            except BaseException as error:
                left = isinstance(error, ConnectionError) and gone(request)
                if begun(request):  # in part
                    cut(transport)
                if not left:
                    client.was_reset = True
                    raise
                made[0].broken = True
                if offer is not None and offer.accepted:
                    await asyncio.wait((feeding,))  # its last words
            finally:
                made[0].to = None
                feeding.cancel()
                await asyncio.wait((feeding,))
        connection = made[0]
        if connection.resets or connection.was_cut:
            cut(transport)
        elif connection.broken:
            transport.close()  # once the client has taken what came of it
        follows = connection.may_follow
        if follows and offer is not None:
            offer.give_back()
        return Sent(connection.answered or _NO_ANSWER, size, keep_alive=follows)

    def _refusal(self, request: web.Request, error: ProxyError) -> web.Response:
        """What the client is told of a request that the proxy cannot be asked."""
        reply = error_response(
            error, self._config.errors, request_id=ensure_ids(request.raw_headers)[1]
        )
        fields = [(name.decode(), value.decode()) for name, value in reply.fields]
        response = web.Response(status=reply.status, headers=fields, body=reply.body)
        if isinstance(error, BadRequest):  # nobody knows what else it says
            response.force_close()
        return response
