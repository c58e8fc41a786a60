"""The attempts of a call whose leader has left are counted when they have ended, each once."""

import asyncio
from typing import Any

import pytest

from proxy.middleware.coalesce.coalesce import Coalesce
from tests.support.attempts import until
from tests.support.message import get, length
from tests.support.proxy import Proxy, dialled, fronted
from tests.support.scope import watched
from tests.support.upstream import RawUpstream, Script

OPTIONS: dict[str, Any] = {"admin": {"listen": "127.0.0.1:0"}}
HEDGE: dict[str, Any] = {"retry": {"attempts": 1}, "hedge": {"delay": "1ms", "budget_percent": 100}}
BUSY = length(b"bad", b"503 Busy")
SHARED: dict[str, Any] = {"coalesce": {}}
SHARED_BY = [pytest.param(SHARED, id="coalesce"), pytest.param({"cache": {}}, id="cache")]


async def leave(proxy: Proxy, upstream: RawUpstream, asked: int = 1) -> None:
    """A client that leaves when so many requests have come to the upstream."""
    async with await proxy.connect() as client:
        await client.send(get())
        await upstream.until(lambda: len(upstream.requests) == asked)


@pytest.mark.parametrize("shared", SHARED_BY)
@pytest.mark.parametrize(
    ("answers", "retry", "expected"),
    [
        ([[length(b"ok")]], 1, {"200": 1}),
        ([[BUSY], [length(b"ok")]], 2, {"503": 1, "200": 1}),
        ([["rst"]], 1, {"reset": 1}),
        ([[length(b"ok" * 9)[:-1], "fin"]], 1, {"broken": 1}),
        ([[BUSY], [length(b"ok" * 9)[:-1], "fin"]], 2, {"503": 1, "broken": 1}),
        ([[length(b"ok", fields=b"Set-Cookie: a=1\r\n")], [length(b"x")]], 1, None),
    ],
    ids=["200", "503, 200", "reset", "broken", "503, broken", "private"],
)
async def test_what_goes_on_for_others(
    shared: dict[str, Any],
    answers: list[Script],
    retry: int,
    expected: dict[str, int] | None,
) -> None:
    go = asyncio.Event()
    first: Script = ["wait-body", go, *answers[0]]
    options = {**OPTIONS, **shared, "retry": {"attempts": retry, "backoff_base": "1ms"}}
    options |= {"stream": {"commit": "headers"}}
    async with dialled(first, *answers[1:], **options) as (upstream, proxy, other):
        async with await proxy.connect() as leader:
            await leader.send(get())
            await upstream.until(lambda: upstream.requests)
            await other.send(get())
            await upstream.until(lambda: watched(proxy, Coalesce)[0].counts["joined"])
        left = await proxy.record()
        assert left.status == 499
        assert left.record.attempt_count == 1  # as far as its log can tell
        go.set()
        # A reply that nobody else may have is given up, and the other client asks for itself.
        await until(proxy, {"abandoned": 1, "200": 1} if expected is None else expected)


@pytest.mark.parametrize("shared", SHARED_BY)
async def test_what_ends_with_its_only_client(shared: dict[str, Any]) -> None:
    async with fronted(["hold"], **OPTIONS, **shared) as (upstream, proxy):
        await leave(proxy, upstream)
        await until(proxy, {"abandoned": 1})


@pytest.mark.parametrize("shared", SHARED_BY)
async def test_what_ends_with_the_time_of_its_only_client(shared: dict[str, Any]) -> None:
    options = {**OPTIONS, **shared, "timeouts": {"total": "20ms"}}
    async with fronted(["hold"], **options) as (_, proxy):
        assert (await proxy.ask(get())).status == 504
        await until(proxy, {"timeout": 1})


@pytest.mark.parametrize("shared", SHARED_BY)
async def test_copies_that_end_with_their_only_client(shared: dict[str, Any]) -> None:
    options = {**OPTIONS, **shared, **HEDGE}
    async with fronted(["hold"], [BUSY], ["hold"], **options) as (upstream, proxy):
        await leave(proxy, upstream, 3)
        await until(proxy, {"abandoned": 2, "503": 1})


async def test_others_that_leave_within_the_body_have_abandoned_it() -> None:
    go = asyncio.Event()
    answer: Script = ["wait-body", go, length(b"some" * 9)[:-9], "hold"]
    options = {**OPTIONS, **SHARED, "stream": {"commit": "headers"}}
    async with fronted(answer, **options) as (upstream, proxy):
        async with await proxy.connect() as other:
            async with await proxy.connect() as leader:
                await leader.send(get())
                await upstream.until(lambda: upstream.requests)
                await other.send(get())
                await upstream.until(lambda: watched(proxy, Coalesce)[0].counts["joined"])
            await proxy.record()
            go.set()
            await other.read_until(b"some")
        await until(proxy, {"abandoned": 1})
