"""What a request took is given back when it ends, however it ends, without the garbage collector.

75,000 successful POSTs of 50 kB over connections that close grew the process to 2,323 MiB: each
connection and its clock of writing held each other, and with them the last request's body, until
a full collection; those are rare. Each ending is tried with the collector off: it must leave no
object of ours or of aiohttp's to be collected, and nobody may hold the bytes of a body.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.support.endings import ENDINGS, MARK, PATIENCE, Ending
from tests.support.garbage import collector_off, held
from tests.support.proxy import Proxy, proxied
from tests.support.upstream import RawUpstream

TIMES = 2


async def settled(proxy: Proxy) -> None:
    """Until all connections of clients have ended."""
    async with asyncio.timeout(PATIENCE):
        while proxy.runtime._tracker.connections:  # noqa: ASYNC110  (nobody tells)
            await asyncio.sleep(0.002)
    await proxy.breathe()


@asynccontextmanager
async def before(
    ending: Ending,
) -> AsyncIterator[tuple[RawUpstream, Proxy, Callable[[], Awaitable[None]]]]:
    """The proxy, and what goes through this ending once."""
    async with (
        RawUpstream(*ending.upstream) as upstream,
        proxied(ending.url or upstream, **ending.options) as proxy,
    ):

        async def once() -> None:
            upstream.play(*ending.upstream)
            async with await proxy.connect(receive_buffer=ending.receive_buffer) as client:
                await ending.use(client)
            await settled(proxy)

        yield upstream, proxy, once


@pytest.mark.parametrize("name", ENDINGS)
async def test_no_ending_leaves_anything_to_the_collector(name: str) -> None:
    async with before(ENDINGS[name]) as (upstream, proxy, once):
        await once()
        with collector_off() as found:
            for _ in range(TIMES):
                await once()
            for connection in upstream.connections:
                connection.transport.abort()
            upstream.connections.clear()
            upstream.requests.clear()
            await asyncio.sleep(0.05)
            await proxy.breathe()
            assert found() == {}


STAYS = [
    "posted",
    "posted in pieces",
    "chunked",
    "100-continue",
    "api resets",
    "api closes",
    "api refuses",
    "api has no time",
    "503",
    "retried after 503",
    "retried after a reset",
    "retried in vain",
    "spooled",
    "copied",
    "copied and overtaken",
    "rate limited",
    "no permit",
]
"""After these the connection rests for the next request."""


@pytest.mark.parametrize("name", STAYS)
async def test_a_connection_that_rests_holds_no_body(name: str) -> None:
    ending = ENDINGS[name]
    async with (
        RawUpstream(*ending.upstream) as upstream,
        proxied(ending.url or upstream, **ending.options) as proxy,
        await proxy.connect() as client,
    ):
        await ending.use(client)
        await proxy.record()
        await proxy.breathe()
        upstream.connections.clear()
        upstream.requests.clear()
        assert held(MARK) == []


KEPT: list[bytes] = []
"""As old as the module."""


def test_the_search_for_bodies_finds_one() -> None:
    holds = [MARK + b"y" * 20_000]
    assert "list" in held(MARK)
    del holds
    assert held(MARK) == []
    KEPT.append(MARK + b"y" * 20_000)
    assert "list" in held(MARK)
    KEPT.clear()
