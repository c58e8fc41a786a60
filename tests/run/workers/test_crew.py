"""Workers are started, counted, and replaced when they end."""

import asyncio
import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from proxy.run.orphans import AWAITED
from proxy.run.workers import nursery
from tests.support.client import RawClient, ask
from tests.support.message import OK, get, length
from tests.support.upstream import RawUpstream
from tests.support.workers import (
    crew,
    replaced,
    requests,
    serving,
    state,
    stopped,
    two_held,
    until,
    where,
)


@pytest.mark.parametrize("kind", ["tcp", "unix", "every"])
async def test_connections_are_spread_evenly_and_all_is_counted(kind: str, tmp_path: Path) -> None:
    listen = {"tcp": "127.0.0.1:0", "unix": f"unix:{tmp_path}/http.sock", "every": ":0"}[kind]
    async with (
        RawUpstream() as upstream,
        crew(tmp_path, upstream, json.dumps(listen)) as proxy,
        contextlib.AsyncExitStack() as stack,
    ):
        clients = [await stack.enter_async_context(await proxy.client()) for _ in range(64)]
        for _ in range(3):
            for client in clients:
                assert (await client.ask(get())).status == 200
        found = await until(proxy, lambda now: requests(now) == 192)
        shares = [each["requests"] for each in found["workers"]]
        assert len(shares) == 2
        assert max(shares) <= 1.3 * min(shares)
        connections = [each["connections"] for each in found["workers"]]
        assert sum(connections) == 64
        assert abs(connections[0] - connections[1]) <= 6  # one in 16 is not handed over
        assert found["upstreams"]["api"][0]["outcomes"] == {"200": 192}
        for client in clients:
            client.close()
        await until(proxy, lambda now: not any(each["connections"] for each in now["workers"]))
        status, output = await stopped(proxy)
        assert status == 0
        lines = [json.loads(line) for line in output.splitlines()]
        assert Counter(line["status"] for line in lines) == {200: 192}


async def test_a_killed_worker_costs_its_own_requests_only(tmp_path: Path) -> None:
    async with two_held(tmp_path) as (proxy, one, other, answer):
        before = serving(await state(proxy))
        os.kill(before[0], signal.SIGKILL)
        assert "process" in await proxy.line("has ended; another one takes its place")
        after = await replaced(proxy, before, 0)
        assert after[1] == before[1]
        answer.set()
        ends = [await _end(one), await _end(other)]
        assert sorted(ends) == ["200", "cut"]
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(8):
                client = await stack.enter_async_context(await proxy.client())
                assert (await client.ask(get())).status == 200
        found = await until(proxy, lambda now: requests(now) >= 9)
        assert {each["state"] for each in found["workers"]} == {"serving"}
        assert (await stopped(proxy))[0] == 0


async def _end(client: RawClient) -> str:
    try:
        response = await client.receive()
    except OSError:
        return "cut"
    return str(response.status) if response.head.first else "cut"


async def test_who_waits_in_the_queue_of_a_dead_worker_is_served_by_the_next(
    tmp_path: Path,
) -> None:
    async with RawUpstream() as upstream, crew(tmp_path, upstream) as proxy:
        before = serving(await state(proxy))
        for pid in before.values():
            os.kill(pid, signal.SIGSTOP)  # nobody accepts: all wait in the queues
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(await proxy.client()) for _ in range(16)]
            for client in clients:
                await client.send(get())
            for pid in before.values():
                os.kill(pid, signal.SIGKILL)
            for client in clients:
                assert (await client.receive()).status == 200


async def test_a_worker_that_is_told_to_end_is_replaced_without_a_gap(tmp_path: Path) -> None:
    async with RawUpstream() as upstream, crew(tmp_path, upstream) as proxy:
        pids = serving(await state(proxy))
        failed: list[object] = []
        done = asyncio.Event()

        async def post() -> None:
            while not done.is_set():
                try:
                    async with await proxy.client() as client:
                        for _ in range(3):
                            response = await client.ask(get())
                            if response.status != 200:
                                failed.append(response.status)
                            if response.value("Connection") == b"close":
                                break
                except OSError as error:
                    failed.append(error)

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(post())
            for turn in range(4):
                os.kill(pids[turn % 2], signal.SIGTERM)
                pids = await replaced(proxy, pids, turn % 2)
            await until(proxy, lambda now: len(now["workers"]) == 2)
            done.set()
        assert failed == []
        assert (await stopped(proxy))[0] == 0


def _has_had(number: int, found: Any) -> bool:
    return requests(found) == number


async def test_counters_never_go_backwards(tmp_path: Path) -> None:
    async with RawUpstream() as upstream, crew(tmp_path, upstream) as proxy:
        seen = 0
        for turn in range(3):
            for _ in range(6):
                assert (await ask(where(proxy.http[0]), get())).status == 200
            expected = 6 * (turn + 1)
            await until(proxy, partial(_has_had, expected))
            pids = serving(await state(proxy))
            os.kill(pids[turn % 2], signal.SIGKILL)
            while True:
                found = await state(proxy)
                assert requests(found) >= seen
                seen = requests(found)
                if len(serving(found)) == 2 and serving(found)[turn % 2] != pids[turn % 2]:
                    break
        assert seen == 18


async def test_a_nursery_that_dies_is_replaced(tmp_path: Path) -> None:
    async with RawUpstream() as upstream, crew(tmp_path, upstream) as proxy:
        pids = serving(await state(proxy))
        parent = _parent(pids[0])
        assert parent != proxy.process.pid
        os.kill(parent, signal.SIGKILL)
        await proxy.line("the process that starts workers has ended")
        assert (await ask(where(proxy.http[0]), get())).status == 200
        os.kill(pids[1], signal.SIGKILL)
        after = await replaced(proxy, pids, 1)
        assert after[0] == pids[0]
        assert (await stopped(proxy))[0] == 0


async def test_a_worker_that_ends_while_no_descriptor_is_left_is_replaced_later(
    tmp_path: Path,
) -> None:
    async with RawUpstream() as upstream, crew(tmp_path, upstream) as proxy:
        before, parent = serving(await state(proxy)), proxy.process.pid
        limits = resource.prlimit(parent, resource.RLIMIT_NOFILE)
        resource.prlimit(parent, resource.RLIMIT_NOFILE, (0, limits[1]))
        os.kill(before[0], signal.SIGKILL)
        assert "Too many open files" in await proxy.line("worker 0 cannot start")
        resource.prlimit(parent, resource.RLIMIT_NOFILE, limits)
        after = await replaced(proxy, before, 0)
        assert after[1] == before[1]
        assert (await stopped(proxy))[0] == 0


def test_a_worker_may_end_while_the_nursery_does() -> None:
    source = """
import signal
import socket
from proxy.run.workers import nursery

ours, theirs = socket.socketpair()
ours.close()
nursery.main(theirs.detach(), None)
signal.raise_signal(signal.SIGCHLD)
"""
    ended = subprocess.run([sys.executable, "-c", source], capture_output=True, check=True)
    assert ended.stderr == b""


async def test_a_nursery_that_hangs_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nursery, "PATIENCE", 0.1)
    made = nursery.Nursery((), lambda pid, status: None)

    async def forked() -> int:
        link, theirs = socket.socketpair()
        with link, theirs:
            return await made.fork(0, lambda: (theirs.fileno(),))

    with contextlib.suppress(nursery.CannotFork):  # it may take longer than that to start
        await forked()
    monkeypatch.setattr(nursery, "PATIENCE", 60.0)
    assert await forked()
    monkeypatch.setattr(nursery, "PATIENCE", 0.1)
    hanging = made._process
    assert hanging is not None
    assert hanging.pid in AWAITED  # process 1 leaves its status to who waits for it
    hanging.send_signal(signal.SIGSTOP)
    with pytest.raises(nursery.CannotFork, match="no answer for"):
        await forked()
    assert hanging.returncode == -signal.SIGKILL
    monkeypatch.setattr(nursery, "PATIENCE", 60.0)
    assert await forked()
    last = made._process
    made.close()
    assert last is not None
    assert not {hanging.pid, last.pid} & AWAITED


def _parent(pid: int) -> int:
    return int(re.findall(r"PPid:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0])


async def test_via_is_the_same_whichever_worker_forwards(tmp_path: Path) -> None:
    async with (
        RawUpstream(["wait-body", length(b"ok")]) as upstream,
        crew(tmp_path, upstream) as proxy,
        contextlib.AsyncExitStack() as stack,
    ):
        for _ in range(4):
            client = await stack.enter_async_context(await proxy.client())
            assert (await client.ask(get())).status == 200
        seen = {value for request in upstream.requests for value in _via(request.head.raw)}
        assert len(seen) == 1
        found = await until(proxy, lambda now: requests(now) == 4)
        assert [each["requests"] for each in found["workers"]] == [2, 2]


def _via(head: bytes) -> list[bytes]:
    return re.findall(rb"(?im)^via: (.*)\r$", head)


async def test_a_limit_is_shared(tmp_path: Path) -> None:
    limit = "[concurrency]\nmax_requests = 4\n[timeouts]\nqueue = '1ms'"
    answer = asyncio.Event()
    async with (
        RawUpstream([answer, OK]) as upstream,
        crew(tmp_path, upstream, more=limit) as proxy,
        contextlib.AsyncExitStack() as stack,
    ):
        clients = [await stack.enter_async_context(await proxy.client()) for _ in range(6)]
        for client in clients:
            await client.send(get())
        found = await until(
            proxy,
            lambda now: (
                now["counters"].get("/", {}).get("status 503") == 2
                and now["concurrency"]["api"]["in_flight"] == 4
            ),
        )
        assert found["concurrency"]["api"]["limit"] == 4
        answer.set()
        statuses = Counter([(await client.receive()).status for client in clients])
        assert statuses == {200: 4, 503: 2}
