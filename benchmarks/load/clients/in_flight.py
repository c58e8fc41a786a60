"""Many requests in flight towards a slow API: ``PORT COUNT``.

``COUNT`` connections, opened over the time that the API takes for one answer, so that the last
request leaves when the first answer comes; each asks twice.
"""

import asyncio
import json
import sys
import time
from typing import Any, Final

import uvloop

from benchmarks.load.clients.latency import percentile
from benchmarks.load.servers.upstream import DELAY, SMALL

REQUEST: Final = b"GET /slow HTTP/1.1\r\nHost: bench\r\nAccept: */*\r\n\r\n"
TIMES: Final = 2
PATIENCE: Final = 15.0
_STEP: Final = 0.01


class Load:
    """What became of all requests."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.over = asyncio.Event()
        self.taken: list[float] = []
        self.peak = self._flying = 0
        self._left = count

    def left(self, by: int) -> None:
        """A request is on its way, or no longer."""
        self._flying += by
        self.peak = max(self.peak, self._flying)

    def finished(self) -> None:
        """A connection has asked all it wanted, or is gone."""
        self._left -= 1
        if not self._left:
            self.over.set()


class Client(asyncio.Protocol):
    """One connection."""

    __slots__ = ("_asked", "_data", "_load", "_transport", "_waiting")

    def __init__(self, load: Load, asked: float) -> None:
        """``asked``: when it set out to connect; that is part of what the first answer takes."""
        self._load = load
        self._asked = asked
        self._data = b""
        self._waiting = TIMES
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first time."""
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """An answer, or a part of one; then ask again."""
        self._data += data
        if SMALL not in self._data:
            return
        if self._data.startswith(b"HTTP/1.1 200"):
            self._load.taken.append(time.monotonic() - self._asked)
        self._load.left(-1)
        self._data = b""
        self._waiting -= 1
        if self._waiting:
            self._asked = time.monotonic()
            self._ask()
        else:
            self._load.finished()
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        """Where that was not our wish, the rest has failed."""
        if self._waiting:
            self._load.left(-1)
            self._load.finished()

    def _ask(self) -> None:
        self._load.left(1)
        self._transport.write(REQUEST)


async def main() -> None:
    """Print milliseconds over what the API itself takes."""
    port, count = int(sys.argv[1]), int(sys.argv[2])
    loop = asyncio.get_running_loop()
    load = Load(count)
    opening: set[asyncio.Task[Any]] = set()

    async def connect() -> None:
        begun = time.monotonic()
        try:
            await loop.create_connection(lambda: Client(load, begun), "127.0.0.1", port)
        except OSError:
            load.finished()

    begun = loop.time()
    for number in range(count):
        if (left := begun + DELAY * number / count - loop.time()) > 0:
            await asyncio.sleep(max(left, _STEP))
        task = asyncio.create_task(connect())
        opening.add(task)
        task.add_done_callback(opening.discard)
    try:
        async with asyncio.timeout(PATIENCE):
            await load.over.wait()
    except TimeoutError:
        pass
    found = {
        "p50": (percentile(load.taken, 0.5) - DELAY) * 1000,
        "p99": (percentile(load.taken, 0.99) - DELAY) * 1000,
        "failed": count * TIMES - len(load.taken),
        "peak": load.peak,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    uvloop.run(main())
