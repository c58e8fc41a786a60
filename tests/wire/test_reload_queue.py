"""Another configuration while requests wait for a permit."""

import asyncio

from tests.support.message import OK, get
from tests.support.proxy import Proxy, fronted
from tests.support.upstream import PATIENCE, Script


async def test_those_that_wait_move_to_the_new_limit_and_those_under_way_stay_counted() -> None:
    answer = asyncio.Event()
    script: Script = [answer, OK]
    async with fronted(
        script, concurrency={"max_requests": 1}, queue={}, timeouts={"queue": "1h"}
    ) as (upstream, proxy):
        asked = [asyncio.ensure_future(proxy.ask(get())) for _ in range(4)]
        await upstream.until(lambda: len(upstream.requests) == 1)
        await waiting(proxy, 3)
        await proxy.reload(concurrency={"max_requests": 3})
        await upstream.until(lambda: len(upstream.requests) == 3)
        await waiting(proxy, 1)
        await proxy.reload(concurrency=False, queue=False)
        await upstream.until(lambda: len(upstream.requests) == 4)
        answer.set()
        assert [(await each).status for each in asked] == [200] * 4


async def test_those_that_wait_move_to_another_queue_though_they_are_of_one_client() -> None:
    answer = asyncio.Event()
    async with fronted([answer, OK], concurrency={"max_requests": 1}, queue={}) as (_, proxy):
        asked = [asyncio.ensure_future(proxy.ask(get())) for _ in range(5)]
        await waiting(proxy, 4)
        for order in ("fair", "lifo", "fifo", "fair"):
            await proxy.reload(queue={"order": order, "size": 9})
            await waiting(proxy, 4)
        answer.set()
        assert [(await each).status for each in asked] == [200] * 5


async def waiting(proxy: Proxy, number: int) -> None:
    """Until so many wait for a permit."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = [
                sample.value
                for sample in proxy.runtime.describe()
                if sample.name == "concurrency_waiting"
            ]
            if found == [number]:
                return
            await asyncio.sleep(0.001)
