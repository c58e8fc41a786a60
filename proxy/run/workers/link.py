"""What parent and worker say to each other, over a pair of sockets.

Messages are MessagePack behind their length. Either side asks a *question*: it has a number, and
its *answer* bears the same one. A *notice* has the number 0 and gets no answer. Values are plain
(``admin/source``). A link whose other side is gone is *closed*; whoever waits for an answer then
gets a ``LinkClosed``.
"""

import asyncio
import itertools
import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

import msgspec

from proxy.core.tasks import keep

_log = logging.getLogger(__name__)

_LENGTH: Final = struct.Struct("!I")
LARGEST: Final = 256 << 20
"""Bytes of a message. More is a mistake of ours: it would fill the memory of the parent."""


class LinkClosed(ValueError):
    """The other process has ended."""


class Message(msgspec.Struct, array_like=True):
    """A question, a notice or an answer."""

    number: int
    name: str = ""
    """What is asked or noted; empty in an answer."""
    values: dict[str, Any] = {}
    answer: Any = None
    error: str = ""
    """Instead of an answer, a sentence."""


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Message).decode

Answering = Callable[[str, dict[str, Any]], Awaitable[Any]]
Noticing = Callable[[str, dict[str, Any]], None]


class Link(asyncio.Protocol):
    """One end of the connection between parent and worker."""

    def __init__(self, answer: Answering, notice: Noticing, closed: Callable[[], None]) -> None:
        """``answer`` may raise ValueError with a sentence; ``closed`` is called at the end."""
        self._answer = answer
        self._notice = notice
        self._closed = closed
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._answering = set[asyncio.Task[None]]()
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def over(
        cls,
        end: socket.socket,
        answer: Answering,
        notice: Noticing,
        closed: Callable[[], None],
    ) -> "Link":
        """One over this socket, which is its to close."""
        loop = asyncio.get_running_loop()
        _, link = await loop.create_unix_connection(lambda: cls(answer, notice, closed), sock=end)
        return link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As of asyncio."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """As of asyncio."""
        self._transport = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(LinkClosed("the process has ended"))
        self._waiting.clear()
        for task in self._answering:
            task.cancel()
        self._closed()

    def data_received(self, data: bytes) -> None:
        """As of asyncio."""
        self._received += data
        while len(self._received) >= _LENGTH.size:
            [length] = _LENGTH.unpack_from(self._received)
            end = _LENGTH.size + length
            if length > LARGEST:
                _log.error("closed a link: it announced a message of %d bytes", length)
                self.close()
                return
            if len(self._received) < end:
                return
            message = _decode(memoryview(self._received)[_LENGTH.size : end].tobytes())
            del self._received[:end]
            self._take(message)

    def _take(self, message: Message) -> None:
        if not message.name:
            waiting = self._waiting.pop(message.number, None)
            if waiting is not None and not waiting.done():
                if message.error:
                    waiting.set_exception(ValueError(message.error))
                else:
                    waiting.set_result(message.answer)
        elif not message.number:
            self._notice(message.name, message.values)
        else:
            keep(asyncio.get_running_loop().create_task(self._reply(message)), self._answering)

    async def _reply(self, message: Message) -> None:
        reply = Message(message.number)
        try:
            reply.answer = await self._answer(message.name, message.values)
            self._send(reply)
        except ValueError as error:
            self._send(Message(message.number, error=str(error) or "no"))
        except Exception as error:
            _log.exception("cannot answer %r", message.name)
            self._send(Message(message.number, error=f"{type(error).__name__}: {error}"))

    async def ask(self, question: str, **values: Any) -> Any:
        """The answer. Raises ValueError where there is none, LinkClosed if none can come."""
        if self._transport is None:
            raise LinkClosed("the process has ended")
        number = next(self._numbers)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._send(Message(number, question, values))
            return await waiting
        finally:
            self._waiting.pop(number, None)

    def tell(self, notice: str, **values: Any) -> None:
        """Say something; nothing happens where the other process has ended."""
        self._send(Message(0, notice, values))

    def _send(self, message: Message) -> None:
        if self._transport is not None:
            body = _encode(message)
            self._transport.write(_LENGTH.pack(len(body)) + body)

    def close(self) -> None:
        """Send what was written, then close."""
        if self._transport is not None:
            self._transport.close()
