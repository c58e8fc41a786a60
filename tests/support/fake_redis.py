"""What answers as a Redis does, and says the same to all commands."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FakeRedis:
    """Listens on a port of its own."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.port = 0
        self.url = ""
        self.connections: list[asyncio.StreamWriter] = []
        """All that there have been."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the commands of one connection; those that begin it have answers of their own."""
        self.connections.append(writer)
        try:
            while line := await reader.readline():
                words = []
                for _ in range(int(line[1:])):
                    size = int((await reader.readline())[1:])
                    words.append((await reader.readexactly(size + 2))[:-2].upper())
                begins = words[0] in (b"CLIENT", b"SELECT")
                hello = b"%1\r\n+proto\r\n:3\r\n" if words[0] == b"HELLO" else b""
                writer.write(hello or (b"+OK\r\n" if begins else self.answer))
        finally:
            writer.close()

    def close_all(self) -> None:
        """End all connections in order."""
        for connection in self.connections:
            connection.close()

    def reset_all(self) -> None:
        """End all connections with a reset."""
        for connection in self.connections:
            connected: socket.socket = connection.get_extra_info("socket")
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.transport.abort()


@asynccontextmanager
async def fake_redis(
    answer: bytes, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[FakeRedis]:
    """A running one."""
    fake = FakeRedis(answer)
    async with await asyncio.start_server(fake.serve, host, port) as server:
        fake.port = server.sockets[0].getsockname()[1]
        fake.url = f"redis://{host}:{fake.port}"
        try:
            yield fake
        finally:
            fake.close_all()  # which a test that fails leaves open
