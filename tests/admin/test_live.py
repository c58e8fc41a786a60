"""What happens, second by second, as events."""

import asyncio
import json
from typing import Any

import pytest

from proxy.admin import door
from proxy.admin import live as module
from proxy.admin.live import LISTENERS, Live
from proxy.admin.source import Local
from proxy.telemetry.history import History
from tests.support.client import RawClient, ask
from tests.support.message import get
from tests.support.proxy import Proxy, fronted, proxied
from tests.support.seconds import call, cell, second
from tests.support.upstream import RawUpstream, Script

ADMIN = {"listen": "127.0.0.1:0"}
SILENT: Script = ["hold"]


async def listen(proxy: Proxy) -> RawClient:
    client = await RawClient.connect(proxy.admin)
    await client.send(get("/api/live"))
    head = await client.read_until(b"retry: 1000\n\n")
    assert b"Content-Type: text/event-stream" in head
    assert b"Cache-Control: no-store" in head
    return client


async def news(client: RawClient) -> dict[str, Any]:
    text = await client.read_until(b"\n\n")
    event, _, data = text.partition(b"event: second\ndata: ")[2].partition(b"\n\n")
    assert not data.strip()
    told: dict[str, Any] = json.loads(event)
    return told


async def test_each_second_is_told() -> None:
    async with (
        fronted(SILENT, admin=ADMIN) as (upstream, proxy),
        await listen(proxy) as operator,
        await proxy.connect() as client,
    ):
        await client.send(get())
        async with asyncio.timeout(30):
            while not (told := await news(operator))["in_flight"]:
                pass
        [flying] = told["in_flight"]
        assert (flying["phase"], flying["server"]) == ("first_byte", upstream.url)
        assert told["series"] == [["/", "api", upstream.url]]
        assert [each[:3] for each in told["step"]["flying"]] == [[0, 4, 1]]
        assert told["state"]["upstreams"]["api"][0]["endpoint"] == upstream.url
        assert told["connections"] == 1
        again = await news(operator)
        assert again["at"] > told["at"]


async def test_who_listens_is_told_that_the_proxy_ends() -> None:
    async with RawUpstream() as upstream:
        async with proxied(upstream, admin=ADMIN) as proxy:
            operator = await listen(proxy)
        await operator.rest()
        await operator.__aexit__(None, None, None)


async def test_more_than_some_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LISTENERS", 1)
    assert LISTENERS > 1
    async with fronted(admin=ADMIN) as (_, proxy):
        async with await listen(proxy):
            assert (await ask(proxy.admin, get("/api/live"))).status == 503
        async with asyncio.timeout(30):  # it is noticed when something is told
            while (await ask_live(proxy)) == 503:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.05)


async def ask_live(proxy: Proxy) -> int:
    async with await RawClient.connect(proxy.admin) as client:
        await client.send(get("/api/live"))
        return int((await client.read_until(b"\r\n\r\n")).split()[1])


async def test_nothing_is_made_while_nobody_listens() -> None:
    asked: list[bool] = []

    def describe() -> list[Any]:
        asked.append(True)
        return []

    history = History(0.0)
    live = Live(history, Local(lambda: True, describe, {}))
    history.add(second(1.0, cell()))
    live.publish(second(1.0, cell()))
    assert not asked


async def test_a_listener_that_takes_nothing_is_cut() -> None:
    history = History(0.0)
    live = Live(history, Local(lambda: True, list, {}))
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(2)
    cut: list[bool] = []
    live._listeners[queue] = lambda: cut.append(True)
    for at in range(4):
        history.add(second(at + 0.5, kept=[call(at, failed=True)]))
        live.publish(second(at + 0.5, kept=[call(at, failed=True)]))
    assert (live._listeners, cut) == ({}, [True])


async def test_a_listener_is_not_cut_for_asking_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other visitors are, after a while: ``admin/door``."""
    monkeypatch.setattr(door, "NEXT", 0.2)
    async with fronted(admin=ADMIN) as (_, proxy):
        async with await listen(proxy) as operator:
            first, second_ = await news(operator), await news(operator)
        assert second_["at"] > first["at"]


async def test_a_listener_that_leaves_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    async with fronted(admin=ADMIN) as (_, proxy):
        async with await listen(proxy) as operator:
            await news(operator)
        async with await listen(proxy) as operator:
            for _ in range(2):
                await news(operator)
    assert not [each for each in caplog.records if each.levelname == "ERROR"]


async def test_who_asks_for_the_head_alone_has_no_events() -> None:
    async with (
        fronted(admin=ADMIN) as (_, proxy),
        await RawClient.connect(proxy.admin) as client,
    ):
        head = b"HEAD /api/live HTTP/1.1\r\nHost: proxy.test\r\nConnection: close\r\n\r\n"
        assert (await client.ask(head)).value("Content-Type") == b"text/event-stream"
        await client.rest(patience=30)
        assert client.end == "fin"
