"""Small GETs at a fixed rate, whatever the answers take: ``PORT RATE SECONDS``.

``select`` instead of a loop: uvloop's timers tick in milliseconds, which is more than what is
measured here.
"""

import json
import select
import selectors
import socket
import sys
import time
from typing import Final, cast

from benchmarks.load.servers.upstream import SMALL

REQUEST: Final = b"GET /small HTTP/1.1\r\nHost: bench\r\nAccept: */*\r\n\r\n"
WARM: Final = 100
"""Requests before those that count."""
PATIENCE: Final = 5.0
_SELECTABLE: Final = 1024
"""Descriptors below this are those that ``select`` can watch."""


class Load:
    """Sends when it is time, on a connection that is free or on a new one."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[socket.socket] = []
        self._asked: dict[socket.socket, tuple[float, bytes]] = {}
        self._selector = selectors.DefaultSelector()
        self._highest = 0
        """Descriptor of a connection so far."""
        self.taken: list[float] = []
        self.failed = 0

    def run(self, rate: float, seconds: float) -> None:
        """Send ``rate`` a second and wait for the last answer."""
        begun = time.perf_counter() + 0.01
        for number in range(WARM + int(rate * seconds)):
            due = begun + number / rate
            while (left := due - time.perf_counter()) > 0:
                self._receive(left)
            self._send(due)
            if number == WARM - 1:
                self.taken.clear()
        deadline = time.perf_counter() + PATIENCE
        while self._asked and time.perf_counter() < deadline:
            self._receive(0.1)
        self.failed += len(self._asked)

    def _ready(self, wait: float) -> list[socket.socket]:
        """Those that can be read. epoll waits for whole milliseconds, longer than asked for."""
        if self._highest < _SELECTABLE:
            return select.select(list(self._asked), [], [], wait)[0]
        return [cast(socket.socket, key.fileobj) for key, _ in self._selector.select(wait)]

    def close(self) -> None:
        """Leave the server."""
        self._selector.close()
        for connection in [*self._free, *self._asked]:
            connection.close()

    def _send(self, due: float) -> None:
        if self._free:
            connection = self._free.pop()
        else:
            connection = socket.create_connection(("127.0.0.1", self._port), PATIENCE)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(connection, selectors.EVENT_READ)
            self._highest = max(self._highest, connection.fileno())
        self._asked[connection] = due, b""
        connection.sendall(REQUEST)

    def _receive(self, wait: float) -> None:
        for connection in self._ready(wait):
            try:
                more = connection.recv(1 << 16)
            except ConnectionError:
                more = b""
            asked = self._asked.pop(connection, None)
            if asked is None or not more:  # ended, or speaks without being asked
                self._selector.unregister(connection)
                connection.close()
                if asked is None:
                    self._free.remove(connection)
                else:
                    self.failed += 1
                continue
            due, data = asked[0], asked[1] + more
            if whole(data):
                self.taken.append(time.perf_counter() - due)
                self._free.append(connection)
            else:
                self._asked[connection] = due, data


def whole(data: bytes) -> bool:
    """Whether this is a complete 200 of a known length or in chunks, with the upstream's body."""
    head, end, body = data.partition(b"\r\n\r\n")
    if not end or not head.startswith(b"HTTP/1.1 200") or SMALL not in body:
        return False
    _, declared, value = head.lower().partition(b"\r\ncontent-length:")
    if declared:
        return len(body) >= int(value.partition(b"\r\n")[0])
    return body.endswith(b"0\r\n\r\n")


def percentile(values: list[float], part: float) -> float:
    """The value below which this part lies."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * part))] if ranked else float("nan")


def main() -> None:
    """Print milliseconds."""
    port, rate, seconds = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    load = Load(port)
    load.run(rate, seconds)
    found = {
        "p50": percentile(load.taken, 0.5) * 1000,
        "p99": percentile(load.taken, 0.99) * 1000,
        "p99.9": percentile(load.taken, 0.999) * 1000,
        "failed": load.failed,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
