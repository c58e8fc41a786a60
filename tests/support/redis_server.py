"""A real redis-server, for the length of a test."""

import asyncio
import contextlib
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

_PATIENCE = 30.0


class RedisServer:
    """Listens on a unix socket, and can be stopped and stalled."""

    def __init__(self, process: asyncio.subprocess.Process, path: Path) -> None:
        self.process = process
        self.url = f"unix://{path}"

    def stall(self) -> None:
        """Say nothing from now on."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Answer again."""
        self.process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        """At once."""
        self.process.kill()
        await self.process.wait()


@contextlib.asynccontextmanager
async def redis_server(*options: str) -> AsyncIterator[RedisServer]:
    """A running one; skips the test where it is not installed."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    with tempfile.TemporaryDirectory() as directory:  # pytest's own are too long for a socket
        path = Path(directory) / "redis.sock"
        process = await asyncio.create_subprocess_exec(
            *(program, "--port", "0", "--unixsocket", str(path), "--save", ""),
            *("--dir", directory, *options),
            stdout=asyncio.subprocess.DEVNULL,
        )
        server = RedisServer(process, path)
        try:
            async with asyncio.timeout(_PATIENCE):
                while not await _listens(path):  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.01)
            yield server
        finally:
            if process.returncode is None:
                server.go_on()
                await server.kill()


async def _listens(path: Path) -> bool:
    """The socket is there a moment before anybody can connect to it."""
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True
