"""What the page is made of, with two workers: their sum, and acts that reach the right one."""

import asyncio
from pathlib import Path

from tests.support.client import ask
from tests.support.message import get
from tests.support.process import PATIENCE, Process
from tests.support.upstream import RawUpstream, Script
from tests.support.workers import crew, told, two_held, where

BUSY: Script = ["wait-body", b"HTTP/1.1 500 Busy\r\nContent-Length: 4\r\n\r\nbusy"]
CALLS = 12


async def test_the_history_and_the_calls_are_those_of_all_workers(tmp_path: Path) -> None:
    async with RawUpstream(BUSY) as upstream, crew(tmp_path, upstream) as proxy:
        clients = [await proxy.client() for _ in range(CALLS)]
        for client in clients:
            await client.send(get())
            assert (await client.receive()).status == 500
            client.close()
        async with asyncio.timeout(PATIENCE):
            while await _counted(proxy) < CALLS:  # noqa: ASYNC110 - it is polled by design
                await asyncio.sleep(0.1)
        assert await _counted(proxy) == CALLS
        exchanges = (await told(proxy, "/api/exchanges"))["exchanges"]
        assert len({each["id"] for each in exchanges}) == len(exchanges)
        assert {each["status"] for each in exchanges} == {500}
        assert [each["cause"] for each in (await told(proxy, "/api/causes"))["now"]] == ["answer"]


async def _counted(proxy: Process) -> int:
    steps = (await told(proxy, "/api/history?span=300&step=1"))["steps"]
    return sum(row[1] for step in steps for row in step["rows"])


async def test_a_call_is_ended_in_the_worker_that_has_it(tmp_path: Path) -> None:
    async with two_held(tmp_path) as (proxy, one, other, answer):
        flying = (await told(proxy, "/api/exchanges"))["in_flight"]
        ids = {each["target"]: each["id"] for each in flying}
        assert set(ids) == {"/one", "/other"}
        request = f"POST /api/exchanges/{ids['/other']}/cancel HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        done = await ask(where(proxy.admin), f"{request}Content-Length: 0\r\n\r\n".encode())
        assert done.status == 200, done.body
        assert (await other.receive()).status == 503
        answer.set()
        assert (await one.receive()).status == 200
