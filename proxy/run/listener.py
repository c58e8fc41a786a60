"""Sockets to listen on."""

import asyncio
import contextlib
import errno
import os
import socket
import stat
from collections.abc import Callable
from typing import Final

BACKLOG: Final = 4096
"""Connections that may wait to be accepted; asyncio's 100 refuses bursts."""


class Listener:
    """One address, TCP or unix, open until it is closed."""

    def __init__(self, address: str) -> None:
        self._asked = address
        self._path = address.removeprefix("unix:") if address.startswith("unix:") else None
        self._server: asyncio.Server | None = None
        self._file: tuple[int, int] | None = None
        self.address = address
        """As it is: with the real port where 0 was asked for."""

    async def open(self, factory: Callable[[], asyncio.Protocol]) -> None:
        """Raises OSError where the address cannot be had."""
        loop = asyncio.get_running_loop()
        if self._path is not None:
            _clear_stale(self._path)
            self._server = await loop.create_unix_server(factory, self._path, backlog=BACKLOG)
            self._file = _identity(self._path)
            return
        host, port = split_address(self._asked)
        self._server = await loop.create_server(factory, host or None, port, backlog=BACKLOG)
        real = self._server.sockets[0].getsockname()[1]
        self.address = f"[{host}]:{real}" if ":" in host else f"{host}:{real}"

    def close(self) -> None:
        """Accept no more; what is accepted goes on."""
        if self._server is not None:
            self._server.close()
            self._server = None
            # Whoever has taken the path since keeps it.
            if self._path is not None and _identity(self._path) == self._file is not None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._path)


def split_address(address: str) -> tuple[str, int]:
    """``"[::1]:8080"`` is ``("::1", 8080)``."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _clear_stale(path: str) -> None:
    """Remove a socket that nobody listens on any more, as left by a crash.

    Raises OSError where somebody does: the loop would take the path away without asking.
    """
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)
