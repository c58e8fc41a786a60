"""Two proxies in processes of their own, with one store between them: a crowd asks once."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.core.stored import LEASE
from tests.support.client import Response, ask
from tests.support.message import get, length, post
from tests.support.process import PATIENCE, Process, started
from tests.support.redis_server import redis_server
from tests.support.upstream import RawUpstream
from tests.support.workers import ADMIN, where

N = 20
"""Clients of each process."""
LIFE = b"Cache-Control: max-age=600\r\n"
PASSED = b"Cache-Control: max-age=600\r\nAge: 900\r\n"
TAG = b'ETag: "a"\r\n'
LONG = bytes(range(256)) * 1000


@contextlib.asynccontextmanager
async def pair(folder: Path, kind: str, upstream: RawUpstream) -> AsyncIterator[list[Process]]:
    """Two proxies on one store."""
    async with contextlib.AsyncExitStack() as stack:
        url = f"sqlite:{folder / 'store.db'}"
        if kind == "redis":
            url = (await stack.enter_async_context(redis_server())).url
        path = folder / "config.toml"
        path.write_text(
            '[server]\nlisten = "127.0.0.1:0"\n[admin]\nlisten = "127.0.0.1:0"\n[cache]\n'
            f'[store]\nurl = "{url}"\ntimeout = "20s"\n'
            f'[[upstreams]]\nname = "api"\nservers = ["{upstream.url}"]\n'
            '[[routes]]\nupstream = "api"\n'
        )
        proxies = [await stack.enter_async_context(started("run", str(path))) for _ in range(2)]
        for proxy in proxies:
            await proxy.ready()
        yield proxies


async def asked(proxy: Process, request: bytes | None = None) -> Response:
    return await ask(where(proxy.http[0]), request or get())


async def stored(proxy: Process) -> None:
    """Wait until the proxy finds what there is in the store, however old; it asks nobody."""
    there = get(fields=b"Cache-Control: only-if-cached, max-stale\r\n")
    async with asyncio.timeout(PATIENCE):
        while (await asked(proxy, there)).status == 504:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.02)


async def until(proxy: Process, holds: Callable[[Any], bool]) -> None:
    """Wait until this is so of what the route's cache and its calls have counted."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = json.loads((await ask(where(proxy.admin), ADMIN)).body)
            if holds(found["coalesce"]["routes"]["/"]):
                return
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def crowd(proxy: Process, clients: int = N) -> AsyncIterator[list[asyncio.Task[Response]]]:
    """So many clients that wait for one call."""
    tasks = [asyncio.create_task(asked(proxy)) for _ in range(clients)]
    await until(proxy, lambda found: found["joined"] == clients - 1 and found["in_flight"])
    yield tasks


def pass_by(folder: Path, seconds: float) -> None:
    """As if that much time had passed since the one lease there is was taken or renewed."""
    with contextlib.closing(sqlite3.connect(folder / "store.db", timeout=PATIENCE)) as file, file:
        # one that has ended is what another process has written to see whether it can
        changing = "UPDATE leases SET until = until - ? WHERE until > 0"
        changed = file.execute(changing, (seconds,))
        assert changed.rowcount == 1


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
@pytest.mark.parametrize("state", ["cold", "expired", "confirmed"])
async def test_a_crowd_at_two_processes_asks_once(tmp_path: Path, kind: str, state: str) -> None:
    gate = asyncio.Event()
    second = length(LONG, fields=LIFE)
    if state == "confirmed":
        second = b"HTTP/1.1 304 Not Modified\r\n" + LIFE + TAG + b"\r\n"
    scripts: list[Any] = [[gate, second]]
    if state != "cold":
        scripts.insert(0, [length(LONG, fields=PASSED + TAG)])
    async with RawUpstream(*scripts) as upstream, pair(tmp_path, kind, upstream) as (one, two):
        if state != "cold":
            await asked(one)
            await stored(two)
        async with crowd(one) as first:
            await upstream.until(lambda: len(upstream.requests) == len(scripts))
            async with crowd(two) as others:
                gate.set()
                answers = await asyncio.gather(*first, *others)
        assert {answer.body for answer in answers} == {LONG}
        assert len(upstream.requests) == len(scripts)
        words = [answer.value("Cache-Status") or b"" for answer in answers]
        assert sum(b"; collapsed" in each for each in words) == 2 * N - 1
        assert b"; hit" in ((await asked(two)).value("Cache-Status") or b"")


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
async def test_a_reply_that_is_not_stored_lets_the_others_go(tmp_path: Path, kind: str) -> None:
    gate = asyncio.Event()
    scripts: list[Any] = [
        [gate, length(b"1", fields=b"Cache-Control: no-store\r\n")],
        [length(b"2", fields=b"Cache-Control: no-store\r\n")],
    ]
    async with (
        RawUpstream(*scripts) as upstream,
        pair(tmp_path, kind, upstream) as (one, two),
        crowd(one, 1) as first,
    ):
        await upstream.until(lambda: len(upstream.requests) == 1)
        async with crowd(two, 1) as other:
            await until(two, lambda found: found["in_flight"] == 1)
            gate.set()
            assert {each.body for each in await asyncio.gather(*first, *other)} == {b"1", b"2"}


async def test_a_process_that_dies_lets_the_others_go(tmp_path: Path) -> None:
    scripts: list[Any] = [["hold"], [length(b"2", fields=LIFE)]]
    async with RawUpstream(*scripts) as upstream, pair(tmp_path, "sqlite", upstream) as both:
        one, two = both
        async with crowd(one, 1) as first:
            await upstream.until(lambda: len(upstream.requests) == 1)
            async with crowd(two) as others:
                one.process.kill()
                await asyncio.gather(*first)
                pass_by(tmp_path, LEASE)
                assert {answer.body for answer in await asyncio.gather(*others)} == {b"2"}
        assert len(upstream.requests) == 2


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
@pytest.mark.parametrize("how", ["post", "purge"])
async def test_a_write_by_another_process_comes_before_what_was_asked_for_earlier(
    tmp_path: Path, kind: str, how: str
) -> None:
    gate = asyncio.Event()
    scripts: list[Any] = [[gate, length(b"old", fields=LIFE)], [length(b"new", fields=LIFE)]]
    if how == "post":
        scripts.insert(1, [length(b"done")])
    async with RawUpstream(*scripts) as upstream, pair(tmp_path, kind, upstream) as (one, two):
        async with crowd(one, 1) as first:
            await upstream.until(lambda: len(upstream.requests) == 1)
            if how == "post":
                assert (await asked(two, post(b"x"))).status == 200
            else:
                purge = get("/api/cache?path=/", host=b"127.0.0.1").replace(b"GET", b"DELETE", 1)
                assert (await ask(where(two.admin), purge)).status == 200
            gate.set()
            assert [each.body for each in await asyncio.gather(*first)] == [b"old"]
        for proxy in (one, two):
            assert (await asked(proxy)).body == b"new"
