"""Sides of a connection that end their own direction and read on, as Go's ``CloseWrite`` does."""

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any, Self

from tests.support.client import PATIENCE


class Half:
    """A side without TLS. Blocking; a client's or a server's."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        self._socket = sock
        self._left = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def write(self, data: bytes) -> None:
        """Send all of it."""
        self._socket.sendall(data)

    def receive(self) -> bytes:
        """What comes next; nothing at the end."""
        return self._socket.recv(1 << 16)

    def read(self) -> bytes:
        """As above, and first what ``read_until`` has left."""
        left, self._left = self._left, b""
        return left or self.receive()

    def rest(self) -> bytes:
        """All that comes until the end of the other side. Raises OSError at another end."""
        return b"".join(iter(self.read, b""))

    def read_until(self, mark: bytes) -> bytes:
        """Everything up to ``mark``."""
        data = b""
        while mark not in data:
            more = self.read()
            assert more, data
            data += more
        found, _, left = data.partition(mark)
        self._left += left
        return found + mark

    def end(self, *, fin: bool = True) -> None:
        """Send no more; without TLS there is only one way."""
        self._socket.shutdown(socket.SHUT_WR)


class HalfTls(Half):
    """Over TLS: ends with a close_notify."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, *, server: bool) -> None:
        super().__init__(sock)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=server)
        self._run(self._tls.do_handshake)

    def _run(self, act: Callable[..., Any], *values: Any) -> Any:
        while True:
            try:
                done = act(*values)
            except ssl.SSLWantReadError:
                self._flush()
                if data := self._socket.recv(1 << 16):
                    self._in.write(data)
                else:
                    self._in.write_eof()
            else:
                self._flush()
                return done

    def _flush(self) -> None:
        if data := self._out.read():
            self._socket.sendall(data)

    def write(self, data: bytes) -> None:
        """Send all of it."""
        self._run(self._tls.write, data)

    def receive(self) -> bytes:
        """What comes next; nothing behind a close_notify. Raises SSLError at another end."""
        try:
            data: bytes = self._run(self._tls.read, 1 << 16)
        except ssl.SSLZeroReturnError:  # so it is called where this side has ended too
            return b""
        return data

    def end(self, *, fin: bool = True) -> None:
        """Close_notify; ``fin``: and the end of the connection below."""
        # OpenSSL takes bytes that have come and were not read for an error.
        with contextlib.suppress(ssl.SSLWantReadError):
            while data := self._tls.read(1 << 16):
                self._left += data
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self._flush()
        if fin:
            self._socket.shutdown(socket.SHUT_WR)
