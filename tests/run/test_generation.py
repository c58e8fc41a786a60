"""One configuration at work, and the next one in its place, under load."""

import asyncio
import itertools
from contextlib import AsyncExitStack
from typing import Any

import pytest

from proxy.run import tree
from proxy.run.generation import Generation
from proxy.store.memory import MemoryStore
from proxy.upstream.endpoints import Endpoints
from proxy.upstream.health import HealthGuard
from tests.support.message import OK, get
from tests.support.proxy import Proxy, fronted, proxied
from tests.support.upstream import HEALTHY, PATIENCE, RawUpstream


async def clients(proxy: Proxy, number: int, stop: asyncio.Event) -> list[int]:
    """The statuses that so many clients see, one request after the other, until they are told."""
    statuses: list[int] = []

    async def one() -> None:
        async with await proxy.connect() as client:
            while not stop.is_set():
                statuses.append((await client.ask(get("/v1"))).status)

    await asyncio.gather(*(one() for _ in range(number)))
    return statuses


async def asked(upstream: RawUpstream, number: int) -> None:
    """Until so many requests have arrived."""
    await upstream.until(lambda: len(upstream.requests) == number)


async def test_generations_are_swapped_under_load_and_each_ends_with_its_last_user() -> None:
    async with RawUpstream(HEALTHY) as a, RawUpstream(HEALTHY) as b, proxied(a) as proxy:
        generations = proxy.runtime._generations
        stop = asyncio.Event()
        load = asyncio.ensure_future(clients(proxy, 8, stop))
        turns = itertools.cycle(
            [{"upstream": "api", "path": "/v1"}, {"upstream": "api"}, {"upstream": "b"}]
        )
        seen: set[Generation | None] = set()
        for turn in itertools.islice(turns, 60):
            await proxy.reload(
                upstreams=[
                    {"name": "api", "servers": [a.url, b.url][: 1 + len(seen) % 2]},
                    {"name": "b", "servers": [b.url]},
                ],
                routes=[turn],
                concurrency={"max_requests": 1 + len(seen) % 5},
                queue={},
            )
            seen.add(generations.current)
            for _ in range(3):
                await asyncio.sleep(0)
        stop.set()
        statuses = await load
        assert set(statuses) == {200}
        assert len(seen) == 60
        async with asyncio.timeout(PATIENCE):
            while generations.before or generations._closing:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert [generation.users for generation in seen if generation] == [0] * 60
        limits = [s.value for s in proxy.runtime.describe() if s.name == "concurrency_in_flight"]
        assert set(limits) == {0}


async def test_routes_that_stay_keep_their_chain() -> None:
    async with fronted(HEALTHY) as (upstream, proxy):
        routes = [{"upstream": "api", "path": "/a"}, {"upstream": "api", "path": "/b"}]
        await proxy.reload(routes=routes)
        before = {node.name: node for node in proxy.tree.nodes}
        routes[1]["strip_prefix"] = "/b"
        await proxy.reload(routes=routes, log={"level": "debug"})
        now = {node.name: node for node in proxy.tree.nodes}
        assert now["/a"] is before["/a"]
        assert now["/b"] is not before["/b"]
        await proxy.reload(routes=routes, upstream_options={"servers": [upstream.url], "limit": 9})
        assert all(node is not now[node.name] for node in proxy.tree.nodes)


async def test_nothing_is_left_of_generations_that_have_ended() -> None:
    answer = asyncio.Event()
    async with fronted([answer, OK]) as (upstream, proxy):
        async with AsyncExitStack() as stack:
            for number in range(3):
                client = await stack.enter_async_context(await proxy.connect())
                await client.send(get())
                await asked(upstream, number + 1)
                await proxy.reload(
                    upstreams=[{"name": f"u{number}", "servers": [upstream.url]}],
                    routes=[{"upstream": f"u{number}"}],
                )
            assert len(proxy.runtime._generations.before) == 3
        async with asyncio.timeout(PATIENCE):  # all clients have left
            while proxy.runtime._generations.before:  # noqa: ASYNC110
                await asyncio.sleep(0.001)


async def test_requests_are_served_while_hundreds_of_chains_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tree, "TURN", 0.0)  # each route takes longer than that
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(turn)

    async with fronted(HEALTHY) as (_, proxy):
        turn()
        before, routes = turns, [{"upstream": "api", "path": f"/{each}"} for each in range(50)]
        reloading = asyncio.ensure_future(proxy.reload(routes=routes))
        assert (await proxy.ask(get("/outside"))).status == 200  # the one before serves
        await reloading
        assert turns - before >= len(routes)
        assert (await proxy.ask(get("/outside"))).status == 404
        assert (await proxy.ask(get("/49"))).status == 200


async def test_a_reload_that_is_broken_off_while_chains_are_made_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tree, "TURN", 0.0)
    async with RawUpstream(HEALTHY) as a, RawUpstream(HEALTHY) as b, proxied(a) as proxy:
        await proxy.reload(upstream_options={"servers": [a.url, b.url]})
        hears = len(proxy.tree.endpoints["api"].on_membership)
        routes = [{"upstream": "api", "path": f"/{each}"} for each in range(50)]
        reloading = asyncio.ensure_future(
            proxy.reload(upstream_options={"servers": [a.url, b.url]}, routes=routes)
        )
        while len(proxy.tree.endpoints["api"].on_membership) < hears + 5:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
        reloading.cancel()
        await asyncio.wait((reloading,))
        assert len(proxy.tree.endpoints["api"].on_membership) == hears
        await proxy.reload(upstream_options={"servers": [a.url, b.url]}, routes=routes)
        assert (await proxy.ask(get("/7"))).status == 200


@pytest.mark.parametrize("broken", [MemoryStore, HealthGuard])
@pytest.mark.parametrize("at", ["reload", "stop"])
async def test_what_cannot_be_closed_keeps_nothing_else_open(
    at: str, broken: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[str] = []

    async def close(endpoints: Endpoints) -> None:
        closed.append(endpoints.name)
        await closes(endpoints)

    async def fail(thing: Any) -> None:
        await fully(thing)
        raise RuntimeError("it does not end")

    closes, fully = Endpoints.close, broken.close
    monkeypatch.setattr(Endpoints, "close", close)
    options: dict[str, Any] = {"health_check": {}}
    async with fronted(HEALTHY, cache={}, upstream_options=options) as (upstream, proxy):
        monkeypatch.setattr(broken, "close", fail)
        if at == "reload":
            await proxy.reload(
                upstreams=[{"name": "b", "servers": [upstream.url]}],
                routes=[{"upstream": "b"}],
                store={"timeout": "1s"},
            )
            await upstream.until(lambda: not proxy.runtime._generations._closing)
            assert closed == ["api"]
            assert caplog.messages == [f"{broken.__name__} could not be closed"]
    assert closed == (["api", "b"] if at == "reload" else ["api"])
    assert set(caplog.messages) == {f"{broken.__name__} could not be closed"}
