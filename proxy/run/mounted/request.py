"""What aiohttp has read of a request, and reads on, written out again for a connection of ours.

The body is where aiohttp has put it: still to come, or read already by a middleware of the
application around the proxy (``request.read()``). A body of which a part was read and let go cannot
be sent any more (``lost``). One that breaks is passed on as a broken one, never as a whole one.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Final, cast

from aiohttp import StreamReader, web
from aiohttp.web_protocol import RequestHandler

from proxy.http.chunked import CHUNK, LAST_CHUNK
from proxy.http.fields import RawHeaders, encode, has, without
from proxy.run.mounted.tunnel import Offer, leave

log = logging.getLogger(__name__)

_NO_CHUNK: Final = b"!\r\n"
"""In the place of a chunk: the body ends here and is not whole."""


class _Asked(StreamReader):
    """The body of a client that waits for 100 (Continue): whoever reads it first says that.

    A class of its own, as aiohttp keeps streams and fills them: an object cannot be put in between.
    """

    __slots__ = ()

    async def _wait(self, func_name: str) -> None:
        object.__setattr__(self, "__class__", StreamReader)
        handler = cast(RequestHandler, self._protocol)
        request = handler._current_request
        if request is not None and request.writer.output_size == 0:
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # the reply has not begun
        await self._wait(func_name)


async def ask_later(request: web.Request) -> None:
    """The client is told to go on when a middleware reads its body, or else by the upstream."""
    expected = request.headers.get("Expect", "").lower() == "100-continue"
    if expected and request.version >= (1, 1) and type(request.content) is StreamReader:
        request.content.__class__ = _Asked


def leave_asking(request: web.Request) -> None:
    """From here on, the upstream says 100 (Continue)."""
    if type(request.content) is _Asked:
        object.__setattr__(request.content, "__class__", StreamReader)


def lost(request: web.Request) -> bool:
    """Whether a part of its body was read and is not there any more."""
    if request._read_bytes is not None or not request.body_exists:
        return False
    content = request.content
    return content._size != content.total_bytes


@contextlib.contextmanager
def watched(request: web.BaseRequest, lost: Callable[[], None]) -> Iterator[None]:
    """Meanwhile ``lost`` is called at once when the client has left."""
    # No public name says so: a handler without a body to read is told nothing. aiohttp tells the
    # request that it made itself, of which a middleware may have passed on a clone.
    handler = request.protocol
    request = handler._current_request or request
    cancel = request._cancel

    def left(error: BaseException) -> None:
        """aiohttp calls this when the connection has ended, whatever is being asked."""
        cancel(error)
        lost()

    object.__setattr__(request, "_cancel", left)
    try:
        yield
    finally:
        request.__dict__.pop("_cancel", None)  # it would hold the request, which holds it


def target_of(request: web.Request) -> bytes:
    """What was asked, as it came."""
    return request.raw_path.encode("utf-8", "surrogateescape")


async def feed(
    request: web.Request,
    theirs: socket.socket,
    target: bytes,
    fields: RawHeaders,
    offer: Offer | None,
) -> None:
    """Pass on what the client sends, with this target and these fields."""
    loop = asyncio.get_running_loop()
    head, chunked = _head(request, target, fields, tunnel=offer is not None)
    with contextlib.suppress(OSError):
        await loop.sock_sendall(theirs, head)
        if offer is not None:
            await offer.pass_on()
            return
        if (whole := request._read_bytes) is not None:
            if whole:
                await loop.sock_sendall(theirs, _framed(whole, chunked=chunked))
        elif not await _pass_on(request, theirs, chunked=chunked):
            if chunked:
                await loop.sock_sendall(theirs, _NO_CHUNK)
            else:
                leave(theirs)
            return
        if chunked:
            await loop.sock_sendall(theirs, LAST_CHUNK)


async def _pass_on(request: web.Request, theirs: socket.socket, *, chunked: bool) -> bool:
    """Send a body as it comes. False where it has turned out not to be valid."""
    loop = asyncio.get_running_loop()
    content = request.content
    try:
        while data := await content.readany():
            await loop.sock_sendall(theirs, _framed(data, chunked=chunked))
    except web.RequestPayloadError:
        log.info("the body of a request cannot be decompressed: it is passed on as a broken one")
        content.feed_eof()  # nobody has to wait for the rest of it
        return False
    return True


def _framed(data: bytes, *, chunked: bool) -> bytes:
    return CHUNK % (len(data), data) if chunked else data


def _head(
    request: web.Request, target: bytes, fields: RawHeaders, *, tunnel: bool
) -> tuple[bytes, bool]:
    """The head of a request, and whether its body is to be sent in chunks."""
    chunked = has(fields, b"transfer-encoding")
    if not tunnel and has(fields, b"upgrade"):
        fields = without(fields, b"upgrade")
    if has(fields, b"content-encoding") and request.body_exists and _decompresses(request):
        fields = without(without(fields, b"content-encoding"), b"content-length")
        if not chunked:
            fields = [*fields, (b"Transfer-Encoding", b"chunked")]
            chunked = True
    if request._read_bytes is not None:  # nobody has to ask for it any more
        fields = without(fields, b"expect")
    version = request.version
    line = b"%b %b HTTP/%d.%d\r\n" % (request.method.encode(), target, *version)
    return line + encode(fields, None) + b"\r\n", chunked


def _decompresses(request: web.Request) -> bool:
    """Whether aiohttp's server takes codings away, as it does by default."""
    handler = request.protocol
    server = handler._manager
    kind = request.headers.get("Content-Encoding", "").lower()
    known = kind in ("gzip", "deflate", "br", "zstd")
    return known and bool(server is None or server._kwargs.get("auto_decompress", True))
