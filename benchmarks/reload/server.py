"""The servers behind the proxy: two that are well, one that fails, in one process."""

import asyncio
import contextlib
import os
import sys

from benchmarks.soak import answer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


class Replayed:
    """A reader that gives a head again, and then what follows."""

    def __init__(self, head: bytes, reader: asyncio.StreamReader) -> None:
        self._head = head
        self._reader = reader
        self.readexactly = reader.readexactly
        self.at_eof = reader.at_eof

    async def readuntil(self, _: bytes) -> bytes:
        """The head."""
        return self._head


async def well(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Small answers; streams and sockets as in the soak test."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while head := await reader.readuntil(b"\r\n\r\n"):
            if b" /socket " in head or b" /events " in head:
                await answer(Replayed(head, reader), writer)  # type: ignore[arg-type]
                return
            writer.write(OK)
    writer.close()


async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Nothing but failures."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(FAILED)
    writer.close()


async def serve() -> None:
    """Answer until whoever started this is gone; the ports are printed."""
    servers = [
        await asyncio.start_server(handler, "127.0.0.1", 0, backlog=4096)
        for handler in (well, well, broken)
    ]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)
