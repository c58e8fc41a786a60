"""The sockets that the parent binds.

A TCP address has a socket for each slot, all with SO_REUSEPORT, so each worker has an accept queue
of its own. The parent never accepts and never listens, but holds the descriptors: a queue whose
worker has ended stays open, and the next worker of the slot serves who waits in it. A unix socket
is one for all: two sockets cannot have the same path.
"""

import socket

from proxy.edge.options import ServerOptions
from proxy.net.addresses import split_listen
from proxy.run.sockets.listener import Listener, rights_changed
from proxy.run.sockets.tcp import addresses, bound, places
from proxy.run.sockets.unix import Undo, UnixFile, clear_stale


class Bound:
    """One address of ``[server] listen``."""

    def __init__(self, asked: str, options: ServerOptions, slots: int) -> None:
        """Raises CannotListen."""
        self.asked = asked
        self.addresses = [asked]
        """As those of ``Listener``."""
        self.rows: list[list[socket.socket]] = [[] for _ in range(slots)]
        """The sockets of each slot."""
        self._path = asked.removeprefix("unix:") if asked.startswith("unix:") else None
        self._file: UnixFile | None = None
        try:
            if self._path is not None:
                self._bind_unix(self._path, options)
            else:
                self._bind_tcp()
        except OSError as error:
            self.close()
            raise Listener(asked, options).cannot_listen(error) from error
        except BaseException:
            self.close()
            raise

    @property
    def is_for_all(self) -> bool:
        """Whether all slots have the same socket."""
        return self._path is not None

    def _bind_unix(self, path: str, options: ServerOptions) -> None:
        clear_stale(path)
        shared = socket.socket(socket.AF_UNIX)
        for row in self.rows:
            row.append(shared)
        shared.bind(path)
        self._file = UnixFile(path)
        # Nobody can connect before a worker listens, so nobody gets in with the umask's mode.
        self._file.set_rights(options)

    def change_rights(self, options: ServerOptions) -> Undo:
        """As that of ``Listener``."""
        return rights_changed(self.asked, self._file, options)

    def _bind_tcp(self) -> None:
        host, port = split_listen(self.asked)
        for place in places(host, port):
            if port:  # else two proxies could share a port without knowing of each other
                bound(place, port, share=False).close()
            for row in self.rows:
                one = bound(place, port, share=True)
                row.append(one)
                port = one.getsockname()[1]  # with 0, all get the port of the first
        self.addresses = addresses(host, self.rows[0])

    def close(self) -> None:
        """Let go of the sockets, and take a unix socket's file away; workers have their own."""
        for row in self.rows:
            for one in row:
                one.close()
        file, self._file = self._file, None
        if file is not None:
            file.remove()
