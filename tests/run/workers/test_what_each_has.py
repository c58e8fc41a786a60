"""What each worker has for itself, as docs/workers.md has it."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import ask
from tests.support.message import chunked, get, length
from tests.support.process import PATIENCE, Process
from tests.support.upstream import RawUpstream
from tests.support.workers import crew, state, until, where

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
ME = b"Cookie: session=me\r\n"
CLIENTS = 8


def event(number: int) -> bytes:
    return b"id: %d\ndata: x\n\n" % number


def sent(*numbers: int) -> bytes:
    """Events, each in a chunk of its own."""
    return chunked(*map(event, numbers), end=b"")


async def joined(proxy: Process) -> int:
    """Requests that share a call of another one, in all workers together."""
    answer = await ask(where(proxy.admin), get("/api/coalesce", host=b"127.0.0.1"))
    return int(json.loads(answer.body)["routes"].get("/", {}).get("joined", 0))


def connections(found: Any) -> dict[int, int]:
    """How many each worker has."""
    return {each["worker"]: each["connections"] for each in found["workers"]}


async def placed(proxy: Process, stack: contextlib.AsyncExitStack, worker: int) -> None:
    """A connection of this worker, where there is no other: the next goes to the other worker."""
    async with asyncio.timeout(PATIENCE):
        first = await stack.enter_async_context(await proxy.client())
        found = await until(proxy, lambda now: sum(connections(now).values()) == 1)
        if connections(found)[worker] == 1:
            return
        await stack.enter_async_context(await proxy.client())
        await until(proxy, lambda now: connections(now)[worker] == 1)
        first.close()
        await until(proxy, lambda now: connections(now)[1 - worker] == 0)


async def test_equal_requests_share_a_call_for_each_worker(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with (
        RawUpstream([gate, length(b"answer")]) as upstream,
        crew(tmp_path, upstream, more="[coalesce]") as proxy,
        contextlib.AsyncExitStack() as stack,
    ):
        clients = [await stack.enter_async_context(await proxy.client()) for _ in range(CLIENTS)]
        found = await until(proxy, lambda now: sum(connections(now).values()) == CLIENTS)
        assert set(connections(found).values()) == {CLIENTS // 2}
        for client in clients:
            await client.send(get())
        async with asyncio.timeout(PATIENCE):
            while await joined(proxy) != CLIENTS - 2:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
        gate.set()
        answers = [await client.receive() for client in clients]
        assert {(answer.status, answer.body) for answer in answers} == {(200, b"answer")}
        assert len(upstream.requests) == 2


@pytest.mark.parametrize("same", [True, False], ids=["its own worker", "the other worker"])
async def test_a_client_that_comes_back_finds_its_stream_at_its_own_worker(
    same: bool, tmp_path: Path
) -> None:
    go_on = asyncio.Event()
    scripts = ([HEAD + sent(1, 2), go_on, sent(3) + chunked()], [HEAD + sent(3) + chunked()])
    async with (
        RawUpstream(*scripts) as upstream,
        crew(tmp_path, upstream, more='[stream]\nresume = "60s"') as proxy,
        contextlib.AsyncExitStack() as stack,
    ):
        async with await proxy.client() as client:
            await client.send(get(fields=ME))
            await client.read_until(event(2))
            now = connections(await state(proxy))
            worker = next(number for number, held in now.items() if held)
        await until(proxy, lambda found: not any(connections(found).values()))
        await placed(proxy, stack, 1 - worker if same else worker)
        go_on.set()
        async with await proxy.client() as again:
            await again.send(get(fields=ME + b"Last-Event-ID: 2\r\n"))
            assert event(3) in await again.read_until(b"0\r\n\r\n")
        asked = [each.head.value("Last-Event-ID") for each in upstream.requests]
        assert asked == ([None] if same else [None, b"2"])
