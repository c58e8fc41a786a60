"""A server that can stop taking connections, as one does that is overloaded or gone.

A client that connects then waits: the queue of the kernel is full, by connections of our own.
"""

import contextlib
import socket
import threading
from typing import Final, Self

_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"
_FILL: Final = 8
"""Connections that fill the queue: more than the two that the kernel takes with a backlog of 1."""


class DeafServer:
    """Answers each connection once, in a thread; for the length of a ``with`` block."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(1)
        self._socket.settimeout(0.1)
        self._hears = threading.Event()
        self._hears.set()
        self._parked = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._serve, daemon=True, name="demo-server")
        self._fillers: list[socket.socket] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._over = True
        self.hear()
        self._thread.join()
        self._socket.close()

    def go_deaf(self) -> None:
        """Take no connection any more. Waits until the thread has left ``accept``.

        A connection that it took from the full queue would leave a place in it.
        """
        self._hears.clear()
        self._parked.wait()
        for _ in range(_FILL):
            filler = socket.socket()
            filler.setblocking(False)
            with contextlib.suppress(OSError):
                filler.connect(self._socket.getsockname())
            self._fillers.append(filler)

    def hear(self) -> None:
        """Take connections again."""
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()
        self._parked.clear()
        self._hears.set()

    def _serve(self) -> None:
        while not self._over:
            if not self._hears.is_set():
                self._parked.set()
                self._hears.wait()
            with contextlib.suppress(OSError):
                client, _ = self._socket.accept()
                with client:
                    client.settimeout(1.0)
                    client.recv(65536)
                    client.sendall(_ANSWER)
