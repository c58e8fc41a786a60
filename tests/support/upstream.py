"""An upstream that does to the byte what a script says."""

import asyncio
import contextlib
import itertools
import os
import socket
import ssl
import struct
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeAlias, cast

from tests.support.message import OK, Chunks, Head

Script: TypeAlias = Sequence[Any]
"""Steps, see ``RawUpstream``."""

RESET: Final = struct.pack("ii", 1, 0)
PATIENCE: Final = 30.0


_PORTS: Final = itertools.cycle(
    range(20_000 + os.getpid() % 120 * 100, 20_000 + (os.getpid() % 120 + 1) * 100)
)
"""Below those that the kernel gives to whoever asks for any: else another process of the tests may
have been given it a moment later. Each process has a hundred of its own."""


def closed_port() -> int:
    """A port of loopback on which nobody listens."""
    for port in _PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("a cycle has no end")


class Request:
    """One request as it arrived."""

    def __init__(self, head: bytes) -> None:
        self.head = Head(head)
        self.framing, self._left = self.head.framing()
        self.chunks = Chunks()
        self.raw = bytearray()
        """The body with its framing."""
        self.complete = self.framing == "none" or (self.framing == "length" and not self._left)

    @property
    def line(self) -> bytes:
        """The request line."""
        return self.head.first

    @property
    def body(self) -> bytes:
        """The body without its framing, as far as it came."""
        return bytes(self.chunks.body if self.framing == "chunked" else self.raw)

    def feed(self, data: bytearray) -> bool:
        """Take what belongs to this request from the front of ``data``; True at its end."""
        if self.framing == "length":
            piece = bytes(data[: self._left])
            del data[: len(piece)]
            self.raw += piece
            self._left -= len(piece)
            self.complete = not self._left
        elif self.framing == "chunked":
            before = bytes(data)
            self.chunks.feed(data)
            self.raw += before[: len(before) - len(data)]
            self.complete = self.chunks.done
        return self.complete


class Connection(asyncio.Protocol):
    """One accepted connection: every byte received, and the requests in them."""

    def __init__(self, upstream: "RawUpstream") -> None:
        self._upstream = upstream
        self._pending = bytearray()
        self._moved = asyncio.Event()
        self._writable = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.received = bytearray()
        self.sent = 0
        self.requests: list[Request] = []
        self.ended = ""
        """``fin`` or ``rst`` once the proxy has closed it."""
        self.closed = asyncio.Event()
        self.closed_at = 0.0
        self.lost = False
        self.peer_certificate: object = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start to listen."""
        self.transport = cast(asyncio.Transport, transport)
        self.peer_certificate = transport.get_extra_info("peercert")
        self._writable.set()
        self._upstream.connections.append(self)
        if self._upstream.greeting:
            self._task = asyncio.ensure_future(self._play(self._upstream.greeting, Request(b"")))

    def data_received(self, data: bytes) -> None:
        """Record, and start the script when a head is whole."""
        self.received += data
        self._pending += data
        self._advance()

    def _advance(self) -> None:
        while self._pending:
            if self.requests and not self.requests[-1].complete:
                if not self.requests[-1].feed(self._pending):
                    break
                continue
            head, found, _ = self._pending.partition(b"\r\n\r\n")
            if not found or (self._task is not None and not self._task.done()):
                break
            del self._pending[: len(head) + 4]
            request = Request(bytes(head) + b"\r\n\r\n")
            self.requests.append(request)
            self._upstream.requests.append(request)
            script = self._upstream.next_script()
            self._task = asyncio.ensure_future(self._play(script, request))
        self._moved.set()

    def eof_received(self) -> bool:
        """Whatever ends the other half ends the connection."""
        self._end("fin")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self.lost = True
        self._end("fin" if exc is None else "rst")
        if self._task is not None:
            self._task.cancel()

    def _end(self, how: str) -> None:
        if not self.ended:
            self.ended = how
            self.closed_at = asyncio.get_running_loop().time()
        self.closed.set()
        self._moved.set()

    def pause_writing(self) -> None:
        """The proxy does not read."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The proxy reads again."""
        self._writable.set()

    async def send(self, data: bytes) -> None:
        """Write, and wait until the transport would take more."""
        self.transport.write(data)
        self.sent += len(data)
        await self._writable.wait()

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait for something to arrive. Gives up when the connection ends."""
        while not happened() and not self.closed.is_set():
            self._moved.clear()
            await self._moved.wait()

    def reset(self) -> None:
        """Cut with RST."""
        self.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, RESET
        )
        self.transport.abort()

    async def _play(self, script: Script, request: Request) -> None:
        for step in script:
            await self._step(step, request)
        asyncio.get_running_loop().call_soon(self._advance)

    async def _step(self, step: Any, request: Request) -> None:
        if isinstance(step, bytes):
            await self.send(step)
        elif isinstance(step, float):
            await asyncio.sleep(step)
        elif isinstance(step, asyncio.Event):
            await step.wait()
        elif isinstance(step, tuple):
            wanted = step[1]
            await self.until(lambda: len(request.body) >= wanted)
        elif isinstance(step, str):
            await self._act(step, request)
        else:
            await step(self, request)

    async def _act(self, word: str, request: Request) -> None:
        match word:
            case "rst":
                self.reset()
            case "fin":
                self.transport.close()
            case "half":
                self.transport.write_eof()
            case "hold":
                await self.closed.wait()
            case "wait-body":
                await self.until(lambda: request.complete)
            case "read-nothing":
                self.transport.pause_reading()
            case "read-on":
                self.transport.resume_reading()
            case _:
                raise AssertionError(f"no such step: {word}")


class RawUpstream:
    """Plays one script per request, in order; the last one is played again and again.

    A step is bytes to send, seconds to sleep, an event to wait for, a coroutine function of the
    connection and the request, ``("wait-body", n)``, or one of the words ``rst``, ``fin``,
    ``half``, ``hold``, ``wait-body``, ``read-nothing``, ``read-on``. ``greeting`` is played on
    every connection as soon as it stands.
    """

    def __init__(
        self,
        *scripts: Script,
        path: str = "",
        tls: ssl.SSLContext | None = None,
        greeting: Script = (),
        port: int = 0,
    ) -> None:
        self.greeting = greeting
        self.connections: list[Connection] = []
        self.requests: list[Request] = []
        self._port = port
        self._path = path
        self._tls = tls
        self.play(*scripts or (HEALTHY,))

    def play(self, *scripts: Script) -> None:
        """From now on these scripts."""
        self._scripts = list(scripts)

    def next_script(self) -> Script:
        """The script for one more request."""
        return self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]

    @property
    def url(self) -> str:
        """What the configuration calls this server."""
        if self._path:
            return f"unix:{self._path}"
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    @property
    def received(self) -> bytes:
        """All bytes of all connections."""
        return b"".join(bytes(connection.received) for connection in self.connections)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        if self._path:
            self._server: asyncio.AbstractServer = await loop.create_unix_server(
                lambda: Connection(self), self._path
            )
            return self
        server = await loop.create_server(
            lambda: Connection(self), "127.0.0.1", self._port, ssl=self._tls
        )
        self._port = server.sockets[0].getsockname()[1]
        self._server = server
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for connection in self.connections:
            if not connection.lost:
                connection.transport.abort()
        await asyncio.sleep(0)

    async def until(self, happened: Callable[[], object]) -> None:
        """Wait until this holds; fails the test where it does not come to hold."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not happened():  # noqa: ASYNC110 - of what happens elsewhere nobody tells
                    await asyncio.sleep(0.001)
        assert happened(), f"never happened; received {self.received!r}"


HEALTHY: Final[Script] = ("wait-body", OK)
