"""The proxy as an application of aiohttp, on its own or under a path of another one.

How it works. aiohttp has read the head of a request. It is written out again for a connection of
the proxy's own, one half of a socket pair, whose other half is read and written here: what the
proxy says there goes to the client byte for byte. So the request is checked, its body kept, its
clocks run and its reply framed as on a listener. There is one such connection for each request.

What aiohttp has done before cannot be undone: it has read the head with its own rules, which are
more lenient, it drops the fields behind a chunked body, and it decompresses bodies, unless its
server was told not to. A body that it has decompressed is sent on without Content-Encoding.
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import web

from proxy.config.model import Config
from proxy.edge.http1.connection import Connection
from proxy.http.chunked import CHUNK, LAST_CHUNK
from proxy.http.fields import RawHeaders, encode, has, without
from proxy.net.accepted import connect
from proxy.net.sockets import RESET
from proxy.run.runtime import Runtime

_PIECE: Final = 64 << 10
_AHEAD: Final = 256 << 10
"""Bytes of an upgraded connection that wait to be taken; more stop the client."""
_ANY: Final = "/{target:.*}"
_NO_ANSWER: Final = 499
"""As in the access log of the command: the client has left before."""


class OneRequest(Connection):
    """The proxy's side of the socket pair: it serves one request and ends."""

    __slots__ = ("answered", "broken", "may_follow")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.answered = 0
        """The status of the reply; 0: there was none."""
        self.broken = False
        """Whether the reply could not be finished."""
        self.may_follow = False
        """Whether its client may ask more on its own connection."""

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
        super().reset(at_once=at_once)

    def _finish(self) -> None:
        super()._finish()
        self.may_follow = self.persists and not self.broken
        if self.transport is not None:
            self.transport.close()  # once all that was written has gone


def application(config: Config) -> web.Application:
    """``config`` decides on all but listeners; paths of its routes begin where it is mounted."""
    mount = _Mount(config)
    app = web.Application()
    app.cleanup_ctx.append(mount.lifespan)
    for path in ("", _ANY):
        app.router.add_route("*", path, mount.serve, expect_handler=_later)
    return app


async def _later(_: web.Request) -> None:
    """The proxy says 100 (Continue) when the upstream does."""


class _Mount:
    """A proxy without a listener."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._runtime: Runtime

    async def lifespan(self, app: web.Application) -> AsyncIterator[None]:
        """From the start of whatever application it is part of to its end. Raises CannotStart."""
        config = below(self._config, _prefix(app))
        server = msgspec.structs.replace(config.server, listen=(), tls=None, proxy_protocol=False)
        config = msgspec.structs.replace(config, server=server, admin=None)
        self._runtime = Runtime(config)
        await self._runtime.open()
        try:
            yield
        finally:
            self._runtime.ready = False
            await self._runtime.close()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Have the proxy serve it."""
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("client gone")
        loop = asyncio.get_running_loop()
        made: list[OneRequest] = []

        def introduced() -> OneRequest:
            connection = self._runtime.connect(OneRequest)
            assert isinstance(connection, OneRequest)
            peer = transport.get_extra_info("peername")
            connection.introduced = peer[0] if isinstance(peer, tuple) else ""
            if transport.get_extra_info("ssl_object") is not None:
                connection.scheme = "https"
            made.append(connection)
            return connection

        size = 0
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.setblocking(False)
            await connect(introduced, ours)
            leaves = partial(_hang_up, theirs)
            feeding = loop.create_task(_feed(request, theirs, leaves))
            try:
                while data := await loop.sock_recv(theirs, _PIECE):
                    await _write(request, data)
                    size += len(data)
            finally:
                feeding.cancel()
                await asyncio.wait((feeding,))
        connection = made[0]
        if connection.broken:
            _cut(transport)
        follows = connection.may_follow and not request.headers.get("Upgrade")
        return _Sent(connection.answered or _NO_ANSWER, size, keep_alive=follows)


class _Sent(web.StreamResponse):
    """A reply that has been sent already: for middlewares, and for the access log of aiohttp."""

    def __init__(self, status: int, size: int, *, keep_alive: bool) -> None:
        """``size``: bytes of it, its head included."""
        super().__init__(status=status)
        self._keep_alive = keep_alive
        self._size = size

    @property
    def body_length(self) -> int:
        """What the access log of aiohttp shows as the size."""
        return self._size

    async def prepare(self, request: web.BaseRequest) -> None:
        """Its head is out."""

    async def write_eof(self, data: bytes = b"") -> None:
        """So is its body."""


def _prefix(app: web.Application) -> str:
    """The path that an application is mounted at; empty where it stands on its own."""
    found = {resource.canonical for resource in app.router.resources()}
    return max(found, key=len).removesuffix("/{target}")


def below(config: Config, prefix: str) -> Config:
    """The same with all routes under a path, which upstreams are not asked for."""
    if not prefix:
        return config
    routes = tuple(
        msgspec.structs.replace(
            route,
            path=prefix + route.path.rstrip("/"),
            path_regex=re.escape(prefix) + route.path_regex if route.path_regex else "",
            strip_prefix=prefix + route.strip_prefix.rstrip("/"),
        )
        for route in config.routes
    )
    return msgspec.structs.replace(config, routes=routes)


async def _write(request: web.Request, data: bytes) -> None:
    """Have the client take it. Raises ConnectionError where it has gone."""
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("client gone")
    await request.writer.write(data)


def _hang_up(theirs: socket.socket) -> None:
    """The client has left: the proxy is to see that at once."""
    with contextlib.suppress(OSError):
        theirs.shutdown(socket.SHUT_RDWR)


def _cut(transport: asyncio.Transport) -> None:
    """End the client's connection so that no reply passes for a whole one."""
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    transport.abort()


async def _feed(request: web.Request, theirs: socket.socket, leaves: Any) -> None:
    """Pass on what the client sends, and that it has left."""
    loop = asyncio.get_running_loop()
    cancel = request._cancel

    def left(error: BaseException) -> None:
        """aiohttp calls this when the connection has ended, whatever is being asked."""
        cancel(error)
        leaves()

    # No public name says so: a handler without a body to read is told nothing.
    object.__setattr__(request, "_cancel", left)
    head, chunked = _head(request)
    if "Upgrade" in request.headers:
        later = _Later(request, leaves)
        handler = request.protocol
        handler.set_parser(later)  # type: ignore[arg-type]
        await loop.sock_sendall(theirs, head)
        while data := await later.read():
            await loop.sock_sendall(theirs, data)
        return
    await loop.sock_sendall(theirs, head)
    with contextlib.suppress(ConnectionError):
        while data := await request.content.readany():
            await loop.sock_sendall(theirs, CHUNK % (len(data), data) if chunked else data)
        if chunked:
            await loop.sock_sendall(theirs, LAST_CHUNK)


def _head(request: web.Request) -> tuple[bytes, bool]:
    """The head of a request as it came, and whether its body is to be sent in chunks."""
    fields: RawHeaders = request.raw_headers
    chunked = has(fields, b"transfer-encoding")
    if has(fields, b"content-encoding") and request.can_read_body and _decompresses(request):
        fields = without(without(fields, b"content-encoding"), b"content-length")
        if not chunked:
            fields = [*fields, (b"Transfer-Encoding", b"chunked")]
            chunked = True
    version = request.version
    line = f"{request.method} {request.raw_path} HTTP/{version.major}.{version.minor}\r\n"
    return line.encode("utf-8", "surrogateescape") + encode(fields, None) + b"\r\n", chunked


def _decompresses(request: web.Request) -> bool:
    """Whether aiohttp's server takes codings away, as it does by default."""
    handler = request.protocol
    server = handler._manager
    kind = request.headers.get("Content-Encoding", "").lower()
    known = kind in ("gzip", "deflate", "br", "zstd")
    return known and bool(server is None or server._kwargs.get("auto_decompress", True))


class _Later:
    """Stands in the place of a parser behind an offer to upgrade: bytes stay as they come."""

    def __init__(self, request: web.Request, leaves: Any) -> None:
        self._handler = request.protocol
        self._leaves = leaves
        self._waiting = bytearray()
        self._moved = asyncio.Event()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """The client has sent this."""
        self._waiting += data
        self._moved.set()
        if len(self._waiting) > _AHEAD:
            self._handler.pause_reading()
        return False, b""

    def feed_eof(self) -> None:
        """The client has left."""
        self._leaves()

    async def read(self) -> bytes:
        """What has come."""
        await self._moved.wait()
        self._moved.clear()
        data = bytes(self._waiting)
        self._waiting.clear()
        self._handler.resume_reading()
        return data
