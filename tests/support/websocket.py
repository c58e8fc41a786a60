"""The same WebSocket twice: directly, and through the proxy."""

import asyncio
import base64
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple, TypeAlias

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed

from tests.support.client import RawClient
from tests.support.proxy import proxied
from tests.support.upstream import PATIENCE

Heard: TypeAlias = list[Any]
Handler: TypeAlias = Callable[[ServerConnection, Heard], Awaitable[None]]
Scenario: TypeAlias = Callable[[str], Awaitable[Any]]

LOG = logging.getLogger("tests.websocket")
LOG.propagate = False
LOG.addHandler(logging.NullHandler())

PLAIN: dict[str, Any] = {
    "compression": None, "max_size": None, "ping_interval": None, "close_timeout": 3, "logger": LOG,
}  # fmt: skip
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
OPENING = (
    b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: %b\r\nSec-WebSocket-Version: 13\r\n\r\n" % KEY
)
MASK = b"\x01\x80\xff\x10"
_CLOSE = 0x88
_TOLD = ("origin", "user-agent", "cookie", "authorization")


class Seen(NamedTuple):
    """What both ends have seen."""

    client: Any
    server: Heard


def client(url: str, **options: Any) -> connect:
    """The library's client, as it is."""
    return connect(url, proxy=None, **{**PLAIN, **options})


def shake(headers: Headers) -> list[tuple[str, str]]:
    """What a handshake says to the other end."""
    pairs = ((name.lower(), value) for name, value in headers.raw_items())
    changing = ("sec-websocket-key", "sec-websocket-accept")
    return sorted(
        (name, value)
        for name, value in pairs
        if name in _TOLD or (name.startswith("sec-websocket-") and name not in changing)
    )


def ending(closed: ConnectionClosed) -> tuple[Any, ...]:
    """Codes and reasons of both close frames, and whose came first."""
    frames = (closed.rcvd, closed.sent)
    return (*((f.code, f.reason) if f else None for f in frames), closed.rcvd_then_sent)


async def listen(ws: ServerConnection, heard: Heard) -> None:
    """Hear all messages and the end."""
    try:
        while True:
            heard.append(await ws.recv())
    except ConnectionClosed as closed:
        heard.append(ending(closed))


async def echo(ws: ServerConnection, heard: Heard) -> None:
    """Hear all messages and the end, and send the messages back."""
    try:
        while True:
            heard.append(await ws.recv())
            await ws.send(heard[-1])
    except ConnectionClosed as closed:
        heard.append(ending(closed))


@contextlib.asynccontextmanager
async def _served(handler: Handler, options: Any) -> AsyncIterator[tuple[int, Callable[[], Any]]]:
    heard: Heard = []
    under_way = 0

    async def one(ws: ServerConnection) -> None:
        nonlocal under_way
        under_way += 1
        assert ws.request is not None
        heard.append(shake(ws.request.headers))
        try:
            await handler(ws, heard)
            await ws.wait_closed()
            heard.append((ws.close_code, ws.close_reason))
        finally:
            under_way -= 1

    async def result() -> Heard:
        async with asyncio.timeout(10):
            while under_way:  # noqa: ASYNC110 - the server's end may come after the client's
                await asyncio.sleep(0.001)
        return heard

    async with serve(one, "127.0.0.1", 0, **{**PLAIN, **options}) as server:
        yield server.sockets[0].getsockname()[1], result


async def alike(handler: Handler, scenario: Scenario, **options: Any) -> Seen:
    """What both ends see of each other, which the proxy does not change."""
    seen = []
    for through in (False, True):
        async with contextlib.AsyncExitStack() as stack:
            port, heard = await stack.enter_async_context(_served(handler, options))
            if through:
                proxy = await stack.enter_async_context(proxied(f"http://127.0.0.1:{port}"))
                port = int(proxy.runtime.http[0].rpartition(":")[2])
            async with asyncio.timeout(PATIENCE):
                client_saw = await scenario(f"ws://127.0.0.1:{port}/chat")
                seen.append(Seen(client_saw, await heard()))
    assert seen[0] == seen[1]
    return seen[0]


async def alike_from(frames: bytes, scenario: Scenario, *, end: str = "") -> Seen:
    """The same of a server that sends these bytes, right or wrong; ``end``: fin or rst."""
    seen = []
    heard: Heard = []

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        key = head.lower().partition(b"sec-websocket-key: ")[2].partition(b"\r\n")[0]
        key = head[head.lower().find(key) :][: len(key)]
        accept = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % base64.b64encode(accept) + frames
        )
        if end == "rst":
            await writer.drain()
            await reader.read(100)
            writer.transport.abort()
        elif end == "fin":
            writer.write_eof()
        with contextlib.suppress(ConnectionError):
            data = b""
            while more := await reader.read(1000):
                data += more
                if unmasked(data)[-1][0] == _CLOSE:  # the server is to close first
                    break
            heard.append(unmasked(data))
        writer.close()
        over.set()

    for through in (False, True):
        over = asyncio.Event()
        heard.clear()
        async with contextlib.AsyncExitStack() as stack:
            server = await stack.enter_async_context(
                await asyncio.start_server(one, "127.0.0.1", 0)
            )
            port = server.sockets[0].getsockname()[1]
            if through:
                proxy = await stack.enter_async_context(proxied(f"http://127.0.0.1:{port}"))
                port = int(proxy.runtime.http[0].rpartition(":")[2])
            async with asyncio.timeout(10):
                client_saw = await scenario(f"ws://127.0.0.1:{port}/chat")
                await over.wait()
            seen.append(Seen(client_saw, list(heard)))
    assert seen[0] == seen[1]
    return seen[0]


def unmasked(data: bytes) -> list[tuple[int, bytes]]:
    """Short masked frames: first byte and payload."""
    frames = []
    while data:
        size = data[1] & 127
        mask, payload = data[2:6], data[6 : 6 + size]
        frames.append((data[0], bytes(b ^ mask[i % 4] for i, b in enumerate(payload))))
        data = data[6 + size :]
    return frames


def sent(payload: bytes = b"", *, first: int = 0x82, masked: bool = True) -> bytes:
    """A frame with this first byte, right or wrong."""
    size = len(payload)
    bit = 0x80 if masked else 0
    if size < 126:
        head = bytes([first, bit | size])
    elif size < 1 << 16:
        head = bytes([first, bit | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([first, bit | 127]) + size.to_bytes(8, "big")
    if not masked:
        return head + payload
    return head + MASK + bytes(b ^ MASK[i % 4] for i, b in enumerate(payload))


async def raw(url: str, data: bytes) -> tuple[bytes, str]:
    """What a server sends to a client that sends these bytes behind its handshake, and its end."""
    port = int(url.rpartition(":")[2].partition("/")[0])
    async with await RawClient.connect(("127.0.0.1", port)) as peer:
        await peer.send(OPENING)
        await peer.read_until(b"\r\n\r\n")
        await peer.send(data)
        return await peer.rest(), peer.end
