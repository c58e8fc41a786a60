"""Long uploads on both ways: moved by the kernel, and copied."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest

from proxy.edge.http1 import spliced_body
from proxy.edge.http1.spliced_body import SplicedBody
from proxy.net.splice import LEAST, Splice, can_splice
from tests.support.client import RawClient
from tests.support.proxy import Proxy
from tests.support.upstream import RawUpstream

MIB: Final = 1 << 20
BODY: Final = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(6 * MIB // 32))
ENDLESS: Final = 64 * MIB
"""More than all buffers on the way hold."""
PATIENCE: Final = 30.0
NAMES: Final = ("spliced", "copied")


class Way:
    """How bodies are to go, and how many have gone past the proxy."""

    def __init__(self, name: str) -> None:
        self.spliced = name == "spliced"
        self.begun = 0

    def held(self) -> None:
        """Bodies have gone this way."""
        assert bool(self.begun) == self.spliced


def take(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    """Have uploads go this way while a test runs; no splice is left behind."""
    way = Way(name)
    if way.spliced and not can_splice():
        pytest.skip("this system has no splice")
    start = SplicedBody.start

    def begun(body: SplicedBody) -> None:
        way.begun += 1
        start(body)

    monkeypatch.setattr(SplicedBody, "start", begun)
    if not way.spliced:
        monkeypatch.setattr(spliced_body, "can_splice", lambda: False)
    yield way
    assert Splice.count == 0


@contextlib.asynccontextmanager
async def uploading(client: RawClient, sent: bytes | None = None) -> AsyncIterator[None]:
    """A client that sends for as long as it may, beside what the test does.

    ``sent``: all that it sends of its body; none if it is to send its head alone.
    """
    size = len(sent) if sent else ENDLESS
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size

    async def send() -> None:
        with contextlib.suppress(OSError, TimeoutError):
            await client.send(head)
            await client.send(bytes(size) if sent is None else sent)

    sending = asyncio.create_task(send())
    try:
        yield
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def come(upstream: RawUpstream, size: int = MIB) -> None:
    """So much of the body is at the server."""
    await upstream.until(lambda: upstream.requests and len(upstream.requests[0].raw) >= size)


async def stuck(proxy: Proxy) -> None:
    """Nothing goes on any more: the server reads nothing, and every buffer is full."""
    async with asyncio.timeout(PATIENCE):
        before = -1
        while before < LEAST or before != received(proxy):
            before = received(proxy)
            await asyncio.sleep(0.1)


def received(proxy: Proxy) -> int:
    """Bytes of the one request's body that have come."""
    exchanges = proxy.runtime._tracker.exchanges()
    return max((exchange.body.received for exchange in exchanges), default=0)
