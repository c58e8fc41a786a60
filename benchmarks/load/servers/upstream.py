"""An upstream for what nginx cannot do: read a body before it answers, wait, stream events.

``POST`` is answered when its body is whole; ``GET /slow`` after two seconds; ``GET /events`` with
an event a second, each with the time at which it was written; everything else at once.
"""

import asyncio
import json
import sys
import time
from typing import Any, Final

import uvloop

DELAY: Final = 2.0
"""Seconds that ``/slow`` takes."""
INTERVAL: Final = 1.0
"""Seconds between two events of a stream."""
SMALL: Final = json.dumps({"items": ["x" * 20] * 6, "continued": "a1b2c3"}).encode()
"""178 bytes."""

_ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nServer: upstream\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(SMALL), SMALL)
)
_EVENTS: Final = (
    b"HTTP/1.1 200 OK\r\nServer: upstream\r\nContent-Type: text/event-stream\r\n"
    b"Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_BACKLOG: Final = 8192
_BUFFER: Final = memoryview(bytearray(512 << 10))
"""One for all connections: what has been read is looked at before anything else is read."""


class Connection(asyncio.BufferedProtocol):
    """One client of the upstream."""

    __slots__ = ("_head", "_last", "_left", "_loop", "_timer", "_transport", "_unsized")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._head = b""
        self._left = 0
        self._unsized = False
        self._last = b""
        self._timer: asyncio.TimerHandle | None = None
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A proxy connects."""
        self._transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        """It is gone, and with it what it waited for."""
        if self._timer is not None:
            self._timer.cancel()

    def get_buffer(self, _: int) -> memoryview:
        """Where to read to."""
        return _BUFFER

    def buffer_updated(self, size: int) -> None:
        """A head, the rest of one, or a piece of a body."""
        if self._left:
            self._left -= size
            if not self._left:
                self._transport.write(_ANSWER)
        elif self._unsized:
            self._chunk(bytes(_BUFFER[max(0, size - 5) : size]))
        else:
            self._read(self._head + bytes(_BUFFER[:size]))

    def _read(self, data: bytes) -> None:
        head, end, rest = data.partition(b"\r\n\r\n")
        self._head = b"" if end else data
        if not end:
            return
        if head.startswith(b"POST"):
            self._post(head.lower(), rest)
        elif head.startswith(b"GET /slow"):
            self._timer = self._loop.call_later(DELAY, self._transport.write, _ANSWER)
        elif head.startswith(b"GET /events"):
            self._transport.write(_EVENTS)
            self._event()
        else:
            self._transport.write(_ANSWER)
            if b"\r\nconnection: close" in head.lower():
                self._transport.close()

    def _post(self, head: bytes, rest: bytes) -> None:
        if b"\r\nexpect:" in head:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        _, declared, value = head.partition(b"\r\ncontent-length:")
        if declared:
            self._left = int(value.partition(b"\r\n")[0]) - len(rest)
            if not self._left:
                self._transport.write(_ANSWER)
        else:
            self._unsized = True
            self._chunk(rest[-5:])

    def _chunk(self, tail: bytes) -> None:
        # Good enough for bodies of one letter: only the last chunk ends like this.
        self._last = (self._last + tail)[-5:]
        if self._last == b"0\r\n\r\n":
            self._unsized, self._last = False, b""
            self._transport.write(_ANSWER)

    def _event(self) -> None:
        event = b"data: %.7f\n\n" % time.monotonic()
        self._transport.write(b"%x\r\n%b\r\n" % (len(event), event))
        self._timer = self._loop.call_later(INTERVAL, self._event)


async def main() -> None:
    """Serve on the port that is the first argument."""
    loop = asyncio.get_running_loop()
    port = int(sys.argv[1])
    server = await loop.create_server(lambda: Connection(loop), "127.0.0.1", port, backlog=_BACKLOG)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
