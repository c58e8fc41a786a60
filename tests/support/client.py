"""A client that sends exact bytes and says exactly what came back."""

import asyncio
import socket
from typing import Final, Literal, Self, TypeAlias

from tests.support.message import Chunks, Framing, Head
from tests.support.upstream import RESET

Ended: TypeAlias = Literal["complete", "fin-short", "rst", "open"]
Address: TypeAlias = tuple[str, int] | str

PATIENCE: Final = 30.0
"""Seconds without a byte after which nothing more is expected."""

LIMIT: Final = 60.0
"""Seconds after which a reply that goes on and on fails the test."""

_BODILESS: Final = (204, 304)


class Response:
    """One reply, with the interim ones before it."""

    def __init__(self) -> None:
        self.interim: list[Head] = []
        self.head = Head(b"")
        self.body = b""
        self.framing: Framing = "none"
        self.chunks = Chunks()
        self.ended: Ended = "open"
        """``complete``, ``fin-short`` (closed before its end), ``rst``, ``open`` (nothing came)."""

    @property
    def status(self) -> int:
        """The status; 0 where no head came."""
        first = self.head.first
        return int(first.split(b" ", 2)[1]) if first else 0

    @property
    def lines(self) -> list[bytes]:
        """The raw field lines."""
        return self.head.lines

    def values(self, name: str) -> list[bytes]:
        """All values of a field."""
        return self.head.values(name)

    def value(self, name: str) -> bytes | None:
        """The only value of a field."""
        return self.head.value(name)


class RawClient:
    """One connection to the proxy."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._buffer = bytearray()
        self.end: Literal["", "fin", "rst"] = ""

    @classmethod
    async def connect(cls, address: Address, *, receive_buffer: int = 0) -> Self:
        """Open a connection; a string is the path of a unix socket."""
        sock = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        sock.setblocking(False)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            await asyncio.get_running_loop().sock_connect(sock, address)
            if not isinstance(address, str):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def send(self, data: bytes) -> None:
        """Send all of it. Raises ConnectionError where the other side has cut."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.get_running_loop().sock_sendall(self._socket, data)

    def send_urgent(self) -> None:
        """One byte out of band, which is no part of what is sent (RFC 9293 3.8.5)."""
        self._socket.send(b"!", socket.MSG_OOB)

    def half_close(self) -> None:
        """FIN; still reading."""
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """FIN."""
        self._socket.close()

    def reset(self) -> None:
        """RST."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._socket.close()

    async def read(self, patience: float = PATIENCE) -> bytes:
        """Whatever comes next; ``b""`` at the end or when patience ends, see ``end``."""
        if self.end:
            return b""
        try:
            async with asyncio.timeout(patience):
                data = await asyncio.get_running_loop().sock_recv(self._socket, 1 << 18)
        except TimeoutError:
            return b""
        except ConnectionError:
            self.end = "rst"
            return b""
        if not data:
            self.end = "fin"
        return data

    async def read_until(self, mark: bytes, patience: float = PATIENCE) -> bytes:
        """Everything up to and including ``mark``. Fails the test where it does not come."""
        while mark not in self._buffer:
            data = await self.read(patience)
            assert data, f"no {mark!r} in {bytes(self._buffer)!r} ({self.end or 'open'})"
            self._buffer += data
        taken = bytes(self._buffer[: self._buffer.index(mark) + len(mark)])
        del self._buffer[: len(taken)]
        return taken

    async def exactly(self, size: int, patience: float = PATIENCE) -> bytes:
        """The next ``size`` bytes. Fails the test where they do not come."""
        while len(self._buffer) < size:
            data = await self.read(patience)
            assert data, f"{len(self._buffer)} of {size} bytes, then {self.end or 'open'}"
            self._buffer += data
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    async def rest(self, patience: float = PATIENCE) -> bytes:
        """Everything until the connection ends or patience does."""
        taken = self._buffer
        self._buffer = bytearray()
        while data := await self.read(patience):
            taken += data
        return bytes(taken)

    async def closed(self, patience: float = PATIENCE) -> str:
        """``fin`` or ``rst`` once nothing more can come; ``open`` where that does not happen."""
        left = await self.rest(patience)
        assert not left, f"unexpected bytes: {left[:200]!r}"
        return self.end or "open"

    async def ask(self, data: bytes, *, patience: float = PATIENCE) -> Response:
        """Send a request and read its reply."""
        await self.send(data)
        return await self.receive(head_only=data.startswith(b"HEAD "), patience=patience)

    async def receive(self, *, head_only: bool = False, patience: float = PATIENCE) -> Response:
        """Read one reply to its end as its framing says."""
        async with asyncio.timeout(LIMIT):
            return await self._receive(head_only, patience)

    async def _receive(self, head_only: bool, patience: float) -> Response:
        response = Response()
        while True:
            raw = await self._head(patience)
            if raw is None:
                response.ended = self._short()
                return response
            response.head = Head(raw)
            if not 100 <= response.status < 200 or response.status == 101:
                break
            response.interim.append(response.head)
        response.framing, size = response.head.framing()
        if head_only or response.status in _BODILESS or response.status == 101:
            response.ended = "complete"
        elif response.framing == "chunked":
            await self._chunked(response, patience)
        elif response.framing == "length":
            await self._length(response, size, patience)
        else:
            response.framing = "close"
            response.body = await self.rest(patience)
            response.ended = "complete" if self.end == "fin" else self._short()
        return response

    def _short(self) -> Ended:
        match self.end:
            case "fin":
                return "fin-short"
            case "rst":
                return "rst"
            case _:
                return "open"

    async def _head(self, patience: float) -> bytes | None:
        while b"\r\n\r\n" not in self._buffer:
            data = await self.read(patience)
            if not data:
                return None
            self._buffer += data
        size = self._buffer.index(b"\r\n\r\n") + 4
        raw = bytes(self._buffer[:size])
        del self._buffer[:size]
        return raw

    async def _length(self, response: Response, size: int, patience: float) -> None:
        while len(self._buffer) < size:
            data = await self.read(patience)
            if not data:
                break
            self._buffer += data
        response.body = bytes(self._buffer[:size])
        del self._buffer[:size]
        response.ended = "complete" if len(response.body) == size else self._short()

    async def _chunked(self, response: Response, patience: float) -> None:
        chunks = response.chunks
        chunks.feed(self._buffer)
        while not chunks.done and not chunks.broken:
            data = await self.read(patience)
            if not data:
                break
            self._buffer += data
            chunks.feed(self._buffer)
        response.body = bytes(chunks.body)
        assert not chunks.broken, f"bad chunk framing: {bytes(self._buffer[:80])!r}"
        response.ended = "complete" if chunks.done else self._short()


async def ask(address: Address, data: bytes, *, patience: float = PATIENCE) -> Response:
    """One request on a connection of its own."""
    async with await RawClient.connect(address) as client:
        return await client.ask(data, patience=patience)
