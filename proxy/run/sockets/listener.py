"""Sockets to listen on."""

import asyncio
import errno
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from proxy.edge.entrance import Admit
from proxy.edge.options import ServerOptions
from proxy.net import holder
from proxy.net.accepted import connect
from proxy.net.addresses import split_listen
from proxy.net.sockets import drop_handshakes
from proxy.run.reasons import CannotListen
from proxy.run.sockets import inherited
from proxy.run.sockets.acceptor import BACKLOG, Acceptor, Bounds
from proxy.run.sockets.tcp import addresses, bound_tcp
from proxy.run.sockets.unix import Undo, UnixFile, bound_unix, change_reason, nothing, unix_reason

CONNECTING: Final = 0.05
"""Seconds for handshakes that have begun: their last packet may be under way."""
ADMITTING: Final = 1.0
"""Seconds for TLS handshakes that have begun when a listener ends."""


class Listener:
    """One address, TCP or unix, open until it is closed."""

    def __init__(self, address: str, options: ServerOptions | None = None) -> None:
        """``options``: mode and owner of a unix socket."""
        self._asked = address
        self._options = options or ServerOptions()
        self._path = address.removeprefix("unix:") if address.startswith("unix:") else None
        self._servers: list[asyncio.Server] = []
        self._admit: Admit | None = None
        self._bounds = Bounds()
        self._acceptors: list[Acceptor] = []
        self._file: UnixFile | None = None
        self._given: socket.socket | None = None
        """The socket that the service manager has opened, if it has opened one for this."""
        self.addresses = [address]
        """As they are: with the real port where 0 was asked for, and all where no host was."""

    async def open(
        self,
        factory: Callable[[], asyncio.Protocol],
        admit: Admit | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        """Raises CannotListen where the address cannot be had.

        ``admit``: makes connections where there is something to do before, else ``factory`` does.
        """
        self._bounds = bounds or self._bounds
        self._given = inherited.sockets().take(self._asked)
        self._use(factory, admit)
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

    def _use(self, factory: Callable[[], asyncio.Protocol], admit: Admit | None) -> None:
        if admit is None and self._bounds.ceiling:
            admit = partial(connect, factory)
        self._admit = admit

    def change_rights(self, options: ServerOptions) -> Undo:
        """Give a unix socket of ours the mode and owner of these options, see ``rights_changed``.

        Raises CannotListen.
        """
        return rights_changed(self._asked, self._file, options)

    async def follow(
        self, factory: Callable[[], asyncio.Protocol], admit: Admit | None = None
    ) -> None:
        """Make connections in another way from now on. Nobody who waits to be accepted is lost."""
        plain = self._admit is None
        self._use(factory, admit)
        if plain and self._admit is None:
            return
        # Descriptors of our own keep the sockets, and who waits there, open.
        own = [one.dup() for one in self._sockets()]
        accepted, self._acceptors = self._acceptors, []
        for acceptor in accepted:
            acceptor.close()
        self._end_servers()
        for one in own:
            await self._serve(one, factory)

    async def _serve(self, listening: socket.socket, factory: Callable[[], Any]) -> None:
        """Accept what comes to this socket."""
        loop = asyncio.get_running_loop()
        if self._admit is not None:
            self._acceptors.append(Acceptor(listening, self._admit, self._bounds))
        elif self._path is not None:
            server = await loop.create_unix_server(factory, sock=listening, backlog=BACKLOG)
            self._servers.append(server)
        else:
            server = await loop.create_server(factory, sock=listening, backlog=BACKLOG)
            self._servers.append(server)

    async def _open_unix(self, factory: Callable[[], asyncio.Protocol], path: str) -> None:
        listening = self._given or bound_unix(path)
        try:
            if self._given is None:
                self._file = UnixFile(path)
                # Nobody can connect before it listens, so nobody comes in by the umask's mode.
                self._file.set_rights(self._options)
            await self._serve(listening, factory)
        except BaseException:
            listening.close()
            self._unlink()
            raise

    @property
    def admitting(self) -> int:
        """How many were accepted and are no connections yet."""
        return sum(acceptor.admitting for acceptor in self._acceptors)

    async def _open_tcp(self, factory: Callable[[], asyncio.Protocol]) -> None:
        host, port = split_listen(self._asked)
        listening = [self._given] if self._given else await bound_tcp(host, port)
        served = 0
        try:
            found = addresses(host, listening)
            for one in listening:
                await self._serve(one, factory)
                served += 1
        except BaseException:
            self._stop()
            for one in listening[served:]:
                one.close()
            raise
        self.addresses = found

    def _reason(self, error: OSError) -> str:
        """What stands in the way, and who."""
        if self._path is not None:
            return unix_reason(error, self._path, self._options)
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
        return [*own, *(each for server in self._servers for each in server.sockets)]

    def _end_servers(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()

    def close(self) -> None:
        """Accept no more; connections go on, who is on the way to one does not."""
        for acceptor in self._acceptors:
            acceptor.cut()
        self._stop()

    def _stop(self) -> None:
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors = []
        self._end_servers()
        self._unlink()

    def _unlink(self) -> None:
        """Take our socket away; whoever has taken its path since keeps it."""
        file, self._file = self._file, None
        if file is not None:
            file.remove()


def rights_changed(asked: str, file: UnixFile | None, options: ServerOptions) -> Undo:
    """Give the unix socket of an address its mode and owner, if it is one that we have bound.

    Gives what puts back those of before. Raises CannotListen where it cannot have them.
    """
    if file is None:
        return nothing
    try:
        return file.set_rights(options)
    except OSError as error:
        reason = change_reason(error, options)
        raise CannotListen(f"cannot change {asked}: {reason}") from error
