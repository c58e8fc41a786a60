"""An upstream that answers one head and then speaks whatever a test wants."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeAlias

Speak: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: %b\r\nConnection: Upgrade\r\n\r\n"


class Peer:
    """Keeps each half of a connection open until ``speak`` is done with it."""

    def __init__(self, speak: Speak, protocol: bytes = b"websocket", *, early: bytes = b"") -> None:
        """``early``: sent in one piece with the 101."""
        self._speak = speak
        self._answer = SWITCHING % protocol + early
        self.heads: list[bytes] = []
        self.failed: list[Exception] = []
        self.ends: list[str] = []
        """How clients' sides ended: ``fin`` or ``rst``."""

    @property
    def url(self) -> str:
        """What the configuration calls this server."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        await asyncio.sleep(0)
        assert not self.failed

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self._answer)
            await self._speak(reader, writer)
        except ConnectionError:
            self.ends.append("rst")
        except asyncio.IncompleteReadError:
            self.ends.append("fin")
        except Exception as error:
            self.failed.append(error)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes; FIN for FIN."""
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take what comes and say nothing."""
    while await reader.read(1 << 16):
        pass
