"""Sockets to listen on."""

import asyncio
import contextlib
import errno
import os
import socket
import stat
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from proxy.config.addresses import split_listen
from proxy.config.values import owner
from proxy.edge.entrance import Admit
from proxy.edge.options import ServerOptions
from proxy.net.sockets import drop_handshakes
from proxy.run import holder, inherited
from proxy.run.acceptor import Acceptor

BACKLOG: Final = 4096
"""Connections that may wait to be accepted; asyncio's 100 refuses bursts."""


CONNECTING: Final = 0.05
"""Seconds for handshakes that have begun: their last packet may be under way."""


ADMITTING: Final = 1.0
"""Seconds for TLS handshakes that have begun when a listener ends."""


class CannotListen(Exception):
    """A sentence for the operator, with the address in it."""


class Listener:
    """One address, TCP or unix, open until it is closed."""

    def __init__(self, address: str, options: ServerOptions | None = None) -> None:
        """``options``: mode and owner of a unix socket."""
        self._asked = address
        self._options = options or ServerOptions()
        self._path = address.removeprefix("unix:") if address.startswith("unix:") else None
        self._server: asyncio.Server | None = None
        self._admit: Admit | None = None
        self._ceiling = 0
        self._most = 0
        self._room: Callable[[], int] | None = None
        self._acceptors: list[Acceptor] = []
        self._file: tuple[int, int] | None = None
        self._given: socket.socket | None = None
        """The socket that the service manager has opened, if it has opened one for this."""
        self.address = address
        """As it is: with the real port where 0 was asked for."""

    async def open(
        self,
        factory: Callable[[], asyncio.Protocol],
        ceiling: int = 0,
        admit: Admit | None = None,
        room: Callable[[], int] | None = None,
    ) -> None:
        """Raises CannotListen where the address cannot be had.

        ``ceiling``: where descriptors are scarce, the number of one that says that few are left;
        ``room``: how many clients may be accepted there. ``admit``: makes connections where there
        is something to do before, else ``factory`` does.
        """
        self._ceiling = ceiling
        self._room = room
        # Only what may be silent has to make room; others are connections in a moment.
        self._most = self._options.max_connections if admit is not None else 0
        if admit is None and ceiling:
            loop = asyncio.get_running_loop()
            admit = partial(loop.connect_accepted_socket, factory)
        self._admit = admit
        self._given = inherited.sockets().take(self._asked)
        try:
            if self._path is not None:
                await self._open_unix(factory, self._path)
            else:
                await self._open_tcp(factory)
        except OSError as error:
            raise self.cannot_listen(error) from error

    def cannot_listen(self, error: OSError) -> CannotListen:
        """What to say where the address cannot be had."""
        return CannotListen(f"cannot listen on {self._asked}: {self._reason(error)}")

    async def _open_unix(self, factory: Callable[[], asyncio.Protocol], path: str) -> None:
        listening = self._given or _bound(path)
        try:
            if self._given is None:
                self._file = identity(path)
                # Nobody can connect before it listens, so nobody comes in by the umask's mode.
                os.chmod(path, int(self._options.unix_mode, 8))
                if self._options.unix_owner:
                    os.chown(path, *owner(self._options.unix_owner))
            if self._admit is not None:
                self._acceptors.append(self._acceptor(listening, self._admit))
                return
            loop = asyncio.get_running_loop()
            self._server = await loop.create_unix_server(factory, sock=listening, backlog=BACKLOG)
        except BaseException:
            listening.close()
            self._unlink()
            raise

    def _acceptor(self, listening: socket.socket, admit: Admit) -> Acceptor:
        most, room = self._most, self._room
        return Acceptor(listening, admit, self._ceiling, BACKLOG, most=most, room=room)

    @property
    def admitting(self) -> int:
        """How many were accepted and are no connections yet."""
        return sum(acceptor.admitting for acceptor in self._acceptors)

    async def _open_tcp(self, factory: Callable[[], asyncio.Protocol]) -> None:
        loop = asyncio.get_running_loop()
        host, port = split_listen(self._asked)
        start = self._admit is None
        if self._given is not None:
            self._server = await loop.create_server(
                factory, sock=self._given, backlog=BACKLOG, start_serving=start
            )
            host = host or "0.0.0.0"
        elif host:
            self._server = await loop.create_server(
                factory, host, port, backlog=BACKLOG, start_serving=start
            )
        else:
            # One socket for both families: with port 0, two would get two ports.
            self._server = await loop.create_server(
                factory, sock=_every_address(port), backlog=BACKLOG, start_serving=start
            )
            host = "0.0.0.0"
        real = self._server.sockets[0].getsockname()[1]
        self.address = f"[{host}]:{real}" if ":" in host else f"{host}:{real}"
        if self._admit is not None:
            # The server has bound the sockets; a descriptor of our own for each outlives it.
            own = [one.dup() for one in self._server.sockets]
            self._server.close()
            self._server = None
            self._acceptors = [self._acceptor(one, self._admit) for one in own]

    def _reason(self, error: OSError) -> str:
        """What stands in the way, and who."""
        if self._path is not None:
            return _unix_reason(error, self._path, self._options)
        host, port = split_listen(self._asked)
        if isinstance(error, socket.gaierror):
            return f"no address for the name {host!r} ({error.strerror})"
        if error.errno == errno.EADDRINUSE:
            return f"port {port} is taken{holder.of_port(port)}"
        if error.errno == errno.EACCES and 0 < port < 1024:
            return (
                f"port {port} is for privileged processes; listen on a port from 1024, or allow it "
                "(CAP_NET_BIND_SERVICE, or sysctl net.ipv4.ip_unprivileged_port_start)"
            )
        # asyncio of Python 3.12 swallows the number
        if error.errno == errno.EADDRNOTAVAIL or "could not bind on any address" in str(error):
            return f"no interface of this machine has the address {host!r}"
        return error.strerror or str(error)

    async def retire(self) -> None:
        """Let those in who have begun to connect, nobody else, then close.

        A socket that just closes resets whoever waits to be accepted, with what they have sent.
        """
        self._unlink()
        # A socket of the service manager is for whoever comes after us too: its clients wait.
        for listening in self._sockets() if self._given is None else ():
            drop_handshakes(listening)
        await asyncio.sleep(CONNECTING)
        accepted = self._acceptors
        self._stop()
        await asyncio.gather(*(acceptor.settle(ADMITTING) for acceptor in accepted))

    def _sockets(self) -> list[Any]:
        own = [acceptor.listening for acceptor in self._acceptors]
        return own if self._server is None else [*own, *self._server.sockets]

    def close(self) -> None:
        """Accept no more; connections go on, who is on the way to one does not."""
        for acceptor in self._acceptors:
            acceptor.cut()
        self._stop()

    def _stop(self) -> None:
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors = []
        if self._server is not None:
            self._server.close()
            self._server = None
        self._unlink()

    def _unlink(self) -> None:
        """Take our socket away; whoever has taken its path since keeps it."""
        file, self._file = self._file, None
        if self._path is not None and file is not None and identity(self._path) == file:
            with contextlib.suppress(OSError):
                os.unlink(self._path)


def _every_address(port: int) -> socket.socket:
    """A bound socket for IPv4 and, where there is any, IPv6."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(
                ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG
            )
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise
    return socket.create_server(("0.0.0.0", port), backlog=BACKLOG)


def _unix_reason(error: OSError, path: str, options: ServerOptions) -> str:
    folder = os.path.dirname(path)
    if error.errno == errno.EADDRINUSE:
        if not _is_socket(path):
            return "there is a file of that name that is no socket"
        return f"somebody listens on that socket{holder.of_socket(path)}"
    if not os.path.isdir(folder):
        return f"there is no folder {folder!r}"
    if error.errno == errno.EPERM and options.unix_owner:
        return (
            f"this process may not give the socket to {options.unix_owner!r} ([server] unix_owner)"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"this process may not write into {folder!r}"
    return error.strerror or str(error)


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def identity(path: str) -> tuple[int, int] | None:
    """Which file it is; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _bound(path: str) -> socket.socket:
    """Raises OSError where somebody listens there."""
    clear_stale(path)
    listening = socket.socket(socket.AF_UNIX)
    try:
        listening.bind(path)
    except BaseException:
        listening.close()
        raise
    return listening


def clear_stale(path: str) -> None:
    """Remove a socket that nobody listens on any more, as left by a crash.

    Raises OSError where somebody does: the loop would take the path away without asking.
    """
    if not _is_socket(path):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)
