"""Slow APIs: ``KIND SEED PORT...``.

``stalls``: 80 ms, more or less, but one in fifty takes four seconds. ``page``: a
second, then a small body or, for ``/large``, 10 MiB. ``GET /count`` says how often it was asked.
"""

import asyncio
import random
import sys
from typing import Final

import uvloop

STALLS: Final = 0.02
STALL: Final = 4.0
USUAL: Final = 0.08
PAGE: Final = 1.0
LARGE: Final = 10 << 20


class Api:
    """One of them."""

    def __init__(self, kind: str, seed: int) -> None:
        self._kind = kind
        self._rng = random.Random(seed)
        self.asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if head.startswith(b"GET /count"):
                    body = b"%d" % self.asked
                else:
                    self.asked += 1
                    body = await self._answer(head)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, head: bytes) -> bytes:
        if self._kind == "page":
            await asyncio.sleep(PAGE)
            return bytes(LARGE) if b"/large" in head else b"page"
        stalls = self._rng.random() < STALLS
        usual = USUAL * self._rng.lognormvariate(0.0, 0.4)
        await asyncio.sleep(STALL if stalls else usual)
        return b"well"


async def main() -> None:
    """Serve until told to stop."""
    kind, seed, *ports = sys.argv[1:]
    api = Api(kind, int(seed))
    for port in ports:
        await asyncio.start_server(api.serve, "127.0.0.1", int(port), backlog=4096)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
