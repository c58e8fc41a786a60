"""What only the garbage collector would find; it stops the loop the longer the more lives."""

import asyncio
import gc
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from proxy.run.memory import COLLECT, settle_memory
from tests.support.client import RawClient
from tests.support.message import get
from tests.support.proxy import fronted, proxied
from tests.support.upstream import RawUpstream

TIMES = 10


@contextmanager
def garbage() -> Iterator[Callable[[], Counter[str]]]:
    """Counts the objects of ours that nothing but the collector lets go of."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)

    def found() -> Counter[str]:
        gc.collect()
        kinds = [type(thing) for thing in gc.garbage]
        return Counter(k.__qualname__ for k in kinds if k.__module__.startswith("proxy."))

    try:
        yield found
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def finished(client: RawClient) -> None:
    """A request, answered, and the end of its connection."""
    await client.send(get())
    assert (await client.receive()).status == 200


async def gone(client: RawClient) -> None:
    """A client that leaves while it is served."""
    await client.send(get("/slow"))
    await asyncio.sleep(0.01)


async def half(client: RawClient) -> None:
    """A client that leaves in the midst of its upload."""
    await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx")
    await asyncio.sleep(0.01)


CHUNKS = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"


async def refused(client: RawClient) -> None:
    """A request that never became one."""
    await client.send(b"GET / RTSP/1.0\r\nHost: a\r\n\r\n")
    assert (await client.receive()).status == 400


async def malformed(client: RawClient) -> None:
    """One whose fields are none."""
    await client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX A: 1\r\n\r\n")
    assert (await client.receive()).status == 400


async def broken(client: RawClient) -> None:
    """A body whose framing is broken from the start."""
    await client.send(CHUNKS + b"zz\r\n")
    assert (await client.receive()).status == 400


async def breaking(client: RawClient) -> None:
    """A body whose framing breaks on its way."""
    await client.send(CHUNKS)
    await asyncio.sleep(0.01)
    await client.send(b"zz\r\n")
    assert (await client.receive()).status == 400


USES = [finished, gone, half, refused, malformed, broken, breaking]


@pytest.mark.parametrize("use", USES)
async def test_a_connection_leaves_no_cycles_behind(
    use: Callable[[RawClient], Awaitable[None]],
) -> None:
    made = RawUpstream() if use is finished else RawUpstream(["hold"])
    async with made as upstream, proxied(upstream) as proxy:

        async def once() -> None:
            async with await proxy.connect() as client:
                await use(client)
            await proxy.breathe()

        await once()
        with garbage() as found:
            for _ in range(TIMES):
                await once()
            for line in upstream.connections:
                line.transport.close()
            await asyncio.sleep(0.02)
            assert found() == {}


ARMED: Final = {
    "circuit_breaker": {},
    "concurrency": {"max_requests": 1},
    "queue": {},
    "deadline": {},
    "hedge": {"delay": "10s"},
    "rate_limit": {"average": 1_000_000, "burst": 1_000_000},
    "timeouts": {"total": "30s"},
}


async def test_requests_that_wait_for_each_other_leave_no_cycles_behind() -> None:
    async with fronted(**ARMED) as (_, proxy):

        async def one() -> None:
            async with await proxy.connect() as client:
                await finished(client)

        async def once() -> None:
            await asyncio.gather(*[one() for _ in range(8)])
            await proxy.breathe()

        await once()
        with garbage() as found:
            for _ in range(TIMES):
                await once()
            await asyncio.sleep(0.02)
            assert found() == {}
    assert any(exchange.record.queue_s for exchange in proxy.records)


def test_start_up_is_not_looked_at_again() -> None:
    before = gc.get_threshold()
    gc.unfreeze()  # what the tests themselves have frozen
    try:
        settle_memory()
        assert gc.get_threshold() == COLLECT
        assert gc.get_freeze_count() > 1000
    finally:
        gc.freeze()
        gc.set_threshold(*before)
