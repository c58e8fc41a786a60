"""Passes bytes on over uvloop and reads none of them: less than any proxy in Python can do.

Run with PORT UPSTREAM.
"""

import asyncio
import sys
from typing import cast

import uvloop


class End(asyncio.Protocol):
    """One side of a tunnel."""

    def __init__(self) -> None:
        self.early: list[bytes] = []
        self.transport: asyncio.Transport | None = None
        self.other: End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open: pass on what came before."""
        self.transport = cast(asyncio.Transport, transport)
        for data in self.early:
            self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Pass it on at once."""
        assert self.other is not None
        if self.other.transport is None:
            self.other.early.append(data)
        else:
            self.other.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        """The other side ends too."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


def accept() -> End:
    """The client's side; the other one is opened meanwhile."""
    front, back = End(), End()
    front.other, back.other = back, front
    loop = asyncio.get_running_loop()
    task = loop.create_task(loop.create_connection(lambda: back, HOST, int(UPSTREAM_PORT)))
    opening.add(task)
    task.add_done_callback(opening.discard)
    return front


async def main() -> None:
    """Until somebody ends it."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(accept, "127.0.0.1", int(sys.argv[1]), backlog=4096)
    await server.serve_forever()


HOST, _, UPSTREAM_PORT = sys.argv[2].partition("://")[2].rpartition(":")
opening: set["asyncio.Task[object]"] = set()
uvloop.run(main())
