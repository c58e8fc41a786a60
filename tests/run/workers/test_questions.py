"""What an operator asks and changes reaches every worker."""

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import ask
from tests.support.message import get, post
from tests.support.process import PATIENCE, Process, started
from tests.support.upstream import RawUpstream
from tests.support.workers import (
    configured,
    crew,
    ended,
    replaced,
    requests,
    serving,
    state,
    stopped,
    told,
    two_held,
    until,
    where,
)

SERVER = b"Host: 127.0.0.1\r\n"


async def change(proxy: Process, method: bytes, path: str, body: object = None) -> Any:
    data = b"" if body is None else json.dumps(body).encode()
    request = post(data, path, method=method).replace(b"Host: proxy.test\r\n", SERVER)
    response = await ask(where(proxy.admin), request)
    assert response.status == 200, response.body
    return json.loads(response.body)


async def test_calls_in_flight_are_those_of_all_and_each_can_be_cancelled(tmp_path: Path) -> None:
    async with two_held(tmp_path) as (proxy, one, other, _):
        calls = (await told(proxy, "/api/exchanges?in_flight"))["in_flight"]
        ids = [call["id"] for call in calls]
        assert len(set(ids)) == 2
        for each in ids:
            await change(proxy, b"POST", f"/api/exchanges/{each}/cancel")
        for client in (one, other):
            await client.receive()
        await until(proxy, lambda found: requests(found) == 2)
        assert (await told(proxy, "/api/exchanges?in_flight"))["in_flight"] == []


async def test_a_level_holds_for_a_worker_that_starts_later(tmp_path: Path) -> None:
    async with RawUpstream() as upstream, crew(tmp_path, upstream) as proxy:
        assert await change(proxy, b"PUT", "/api/log", {"level": "warning"}) == {"level": "warning"}
        for _ in range(2):
            assert "the level of the log is warning now" in await proxy.line("level of the log")
        pids = serving(await state(proxy))
        os.kill(pids[0], signal.SIGKILL)
        await proxy.line("has ended; another one takes its place")
        await replaced(proxy, pids, 0)
        assert "the level of the log is warning now" in await proxy.line('"worker":0')


async def test_the_configuration_in_force_is_the_whole_not_a_share(tmp_path: Path) -> None:
    limit = "[concurrency]\nmax_requests = 7"
    async with RawUpstream() as upstream, crew(tmp_path, upstream, more=limit) as proxy:
        found = await told(proxy, "/api/configuration")
        assert found["concurrency"]["max_requests"] == 7
        assert found["server"]["workers"] == 2


async def test_history_has_the_requests_of_all(tmp_path: Path) -> None:
    async with (
        RawUpstream() as upstream,
        crew(tmp_path, upstream) as proxy,
        contextlib.AsyncExitStack() as stack,
    ):
        clients = [await stack.enter_async_context(await proxy.client()) for _ in range(8)]
        seen = 0
        async with asyncio.timeout(PATIENCE):
            while seen < 8:  # a worker that is late with its second has lost it
                for client in clients:
                    assert (await client.ask(get())).status == 200
                await asyncio.sleep(1)
                history = await told(proxy, "/api/history?span=60&step=60")
                seen = sum(row[1] for step in history["steps"] for row in step["rows"])
        spread = [each["requests"] for each in (await state(proxy))["workers"]]
        assert len(spread) == 2
        assert all(spread)


async def test_drain_stops_all(tmp_path: Path) -> None:
    async with RawUpstream() as upstream, crew(tmp_path, upstream) as proxy:
        await change(proxy, b"POST", "/api/drain")
        assert (await proxy.ended())[0] == 0


async def test_explain_says_where_options_stand_and_knows_the_whole_limits(tmp_path: Path) -> None:
    limit = "[concurrency]\nmax_requests = 7"
    async with RawUpstream() as upstream, crew(tmp_path, upstream, more=limit) as proxy:
        lines = (await told(proxy, "/api/explain?url=/v1"))["lines"]
        [found] = [line.split() for line in lines if "max_requests" in line]
        assert found == ["concurrency.max_requests", "=", "7", "config.toml:8", "[concurrency]"]
        assert any(line.endswith(" default") for line in lines)
        path = tmp_path / "config.toml"
        path.write_text(path.read_text().replace("max_requests = 7", "max_requests = 9"))
        lines = (await told(proxy, "/api/explain?url=/v1"))["lines"]
        [found] = [line.split() for line in lines if "max_requests" in line]
        assert found == ["concurrency.max_requests", "=", "7"]  # the file says something else


async def test_the_level_holds_for_the_parent_too(tmp_path: Path) -> None:
    async with RawUpstream() as upstream, crew(tmp_path, upstream) as proxy:
        for level in ("error", "info"):
            await change(proxy, b"PUT", "/api/log", {"level": level})
            proxy.process.send_signal(signal.SIGUSR1)
        await proxy.line("SIGUSR1")
        for _ in range(2):
            proxy.process.send_signal(signal.SIGINT)
        assert not [line for line in await ended(proxy) if "SIGUSR1" in line]


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_level_stays_until_the_file_says_another(tmp_path: Path, workers: int) -> None:
    """Any reload undid it, even one that had nothing to change."""

    def written(log: str) -> str:
        path = Path(configured(tmp_path, upstream.url, more=log))
        path.write_text(path.read_text().replace("workers = 2", f"workers = {workers}"))
        return str(path)

    async def reloaded(log: str) -> Any:
        written(log)
        await change(proxy, b"POST", "/api/reload")
        return (await told(proxy, "/api/log"))["level"]

    async with RawUpstream() as upstream, started("run", written("")) as proxy:
        await proxy.ready()
        await change(proxy, b"PUT", "/api/log", {"level": "error"})
        assert await reloaded("") == "error"
        assert await reloaded('[log]\nredact = ["secret"]') == "error"
        assert await reloaded('[log]\nlevel = "warning"') == "warning"
        await change(proxy, b"PUT", "/api/log", {"level": "error"})
        assert await reloaded("") == "info"
        if workers == 2:  # what was set for all before holds for none that starts now
            pids = serving(await state(proxy))
            os.kill(pids[0], signal.SIGKILL)
            await replaced(proxy, pids, 0)
            assert await told(proxy, "/api/log") == {"level": "info"}
            os.kill(pids[1], signal.SIGKILL)
            await until(proxy, lambda now: pids[1] not in serving(now).values())
            assert await told(proxy, "/api/log") == {"level": "info"}
        await stopped(proxy)
