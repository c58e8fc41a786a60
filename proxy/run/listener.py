"""Sockets to listen on."""

import asyncio
import contextlib
import errno
import os
import socket
import stat
from collections.abc import Callable
from typing import Final

from proxy.run.acceptor import Acceptor

BACKLOG: Final = 4096
"""Connections that may wait to be accepted; asyncio's 100 refuses bursts."""


class Listener:
    """One address, TCP or unix, open until it is closed."""

    def __init__(self, address: str) -> None:
        self._asked = address
        self._path = address.removeprefix("unix:") if address.startswith("unix:") else None
        self._server: asyncio.Server | None = None
        self._acceptors: list[Acceptor] = []
        self._file: tuple[int, int] | None = None
        self.address = address
        """As it is: with the real port where 0 was asked for."""

    async def open(self, factory: Callable[[], asyncio.Protocol], ceiling: int = 0) -> None:
        """Raises OSError where the address cannot be had.

        ``ceiling``: where descriptors are scarce, the number of one that says that few are left.
        """
        loop = asyncio.get_running_loop()
        serving = not ceiling
        own: list[socket.socket] = []
        if self._path is not None:
            _clear_stale(self._path)
            if serving:
                self._server = await loop.create_unix_server(factory, self._path, backlog=BACKLOG)
            else:
                own.append(socket.socket(socket.AF_UNIX))
                own[0].bind(self._path)
        else:
            host, port = split_address(self._asked)
            self._server = await loop.create_server(
                factory, host or None, port, backlog=BACKLOG, start_serving=serving
            )
            real = self._server.sockets[0].getsockname()[1]
            self.address = f"[{host}]:{real}" if ":" in host else f"{host}:{real}"
        if not serving and self._server is not None:
            # The server has bound the sockets; a descriptor of our own for each outlives it.
            own = [one.dup() for one in self._server.sockets]
            self._server.close()
            self._server = None
        self._acceptors = [Acceptor(one, factory, ceiling, BACKLOG) for one in own]
        if self._path is not None:
            self._file = _identity(self._path)

    def close(self) -> None:
        """Accept no more; what is accepted goes on."""
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors = []
        if self._server is not None:
            self._server.close()
            self._server = None
        # Whoever has taken the path since keeps it.
        file, self._file = self._file, None
        if self._path is not None and file is not None and _identity(self._path) == file:
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
