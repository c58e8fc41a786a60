"""Many streams of server-sent events: ``PORT STREAMS SECONDS``."""

import asyncio
import json
import re
import sys
import time
from typing import Any, Final

import uvloop

from benchmarks.load.clients.latency import percentile
from benchmarks.load.servers.upstream import INTERVAL

REQUEST: Final = b"GET /events HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\r\n"
EVENT: Final = re.compile(rb"data: (\d+\.\d{7})\n\n")
_LONGEST: Final = 64


class Stream(asyncio.Protocol):
    """One stream; ``late`` is shared by all."""

    __slots__ = ("_data", "_late", "events", "lost")

    def __init__(self, late: list[float]) -> None:
        self._late = late
        self._data = b""
        self.events = 0
        self.lost = False

    def connection_made(self, transport: Any) -> None:
        """Ask."""
        transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        """Events, each with the time at which it left."""
        now = time.monotonic()
        data = self._data + data
        end = 0
        for found in EVENT.finditer(data):
            self.events += 1
            self._late.append(now - float(found[1]))
            end = found.end()
        # An event that came in two parts is found with its second one.
        self._data = data[end:][-_LONGEST:]

    def connection_lost(self, _: Exception | None) -> None:
        """Streams do not end by themselves."""
        self.lost = True


async def main() -> None:
    """Print milliseconds from leaving the upstream to arriving here."""
    port, streams, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    loop = asyncio.get_running_loop()
    late: list[float] = []
    opened: list[Stream] = []
    refused = 0
    begun = loop.time()
    for number in range(streams):
        # Spread, or all events of all streams would come at once, each second.
        await asyncio.sleep(begun + INTERVAL * number / streams - loop.time())
        try:
            _, stream = await loop.create_connection(lambda: Stream(late), "127.0.0.1", port)
        except OSError:
            refused += 1
        else:
            opened.append(stream)
    await asyncio.sleep(seconds)
    found = {
        "p50": percentile(late, 0.5) * 1000,
        "p99": percentile(late, 0.99) * 1000,
        "failed": refused + sum(stream.lost or not stream.events for stream in opened),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    uvloop.run(main())
