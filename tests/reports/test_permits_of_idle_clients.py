"""Clients that drip, do not read or say nothing do not keep the permits of an API from others."""

import asyncio
import contextlib
from functools import partial
from typing import Any

import pytest

from tests.support.message import OK, get, length
from tests.support.proxy import Proxy, dialled, fronted, proxied
from tests.support.upstream import RawUpstream

LIMITED: dict[str, Any] = {
    "concurrency": {"max_requests": 1},
    "queue": {},
    # A permit is lent after four fifths of the time for which it was held: long where all is slow.
    "timeouts": {"queue": "60s"},
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for user in ("concurrency", "permit"):
        monkeypatch.setattr(f"proxy.middleware.concurrency.{user}.GRACE", 0.2)
    monkeypatch.setattr("proxy.policy.permit_loans._PAUSE", 0.05)


async def other_is_served(proxy: Proxy) -> bool:
    return (await proxy.ask(get("/other"), patience=60)).status == 200


@pytest.mark.parametrize("queue", [True, False])
async def test_an_upload_that_drips_does_not_keep_others_waiting(queue: bool) -> None:
    tables = LIMITED if queue else {"concurrency": {"max_requests": 1}}
    async with dialled(["wait-body", OK], [OK], **tables) as (upstream, proxy, slow):
        await slow.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        await upstream.until(lambda: upstream.requests)
        if queue:
            assert await other_is_served(proxy)
        else:  # nobody waits here, so one is refused until then
            while not await other_is_served(proxy):
                await proxy.breathe()
        await slow.send(b"def")
        assert (await slow.receive()).status == 200
        assert upstream.requests[0].body == b"abcdef"


SHARING: list[dict[str, Any]] = [{}, {"coalesce": {}}, {"cache": {}}]


@pytest.mark.parametrize("tables", SHARING, ids=["", "coalesce", "cache"])
@pytest.mark.parametrize("fields", [b"", b"Cache-Control: private\r\n"])
async def test_a_reply_that_is_not_read_does_not_keep_others_waiting(
    tables: dict[str, Any], fields: bytes
) -> None:
    large = length(b"x" * (20 << 20), fields=fields)
    async with (
        fronted([large], [OK], **LIMITED, **tables) as (_, proxy),
        await proxy.connect(receive_buffer=4096) as slow,
    ):
        await slow.send(get())
        await slow.read_until(b"\r\n\r\n")
        assert await other_is_served(proxy)
        assert len(await slow.exactly(20 << 20)) == 20 << 20


@pytest.mark.parametrize("tables", SHARING[1:], ids=["coalesce", "cache"])
async def test_a_reply_that_is_shared_and_not_read_does_not_keep_others_waiting(
    tables: dict[str, Any],
) -> None:
    size = 15 << 20  # longer ones are for one client
    async with (
        fronted([length(b"x" * size)], [OK], **LIMITED, **tables) as (upstream, proxy),
        await proxy.connect(receive_buffer=4096) as one,
        await proxy.connect(receive_buffer=4096) as other,
    ):
        for slow in (one, other):
            await slow.send(get())
            await slow.read_until(b"\r\n\r\n")
        assert await other_is_served(proxy)
        for slow in (one, other):
            assert len(await slow.exactly(size)) == size
        assert len(upstream.requests) == 2


async def test_a_tunnel_that_is_silent_does_not_keep_others_waiting() -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
    async with dialled([switch, "hold"], [OK], **LIMITED) as (_, proxy, client):
        await client.send(get(fields=b"Connection: Upgrade\r\nUpgrade: x\r\n"))
        await client.read_until(b"\r\n\r\n")
        assert await other_is_served(proxy)


async def test_an_api_that_is_slow_itself_keeps_its_permits() -> None:
    go = asyncio.Event()
    async with fronted(
        ["wait-body", go, OK],
        [OK],
        **{**LIMITED, "timeouts": {"queue": "1s"}},
    ) as (upstream, proxy):
        first = asyncio.ensure_future(proxy.ask(get()))
        await upstream.until(lambda: upstream.requests)
        assert not await other_is_served(proxy)
        go.set()
        assert (await first).status == 200


SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
LARGE = length(b"x" * (20 << 20))


def arrived(upstream: RawUpstream, number: int) -> bool:
    return len(upstream.requests) >= number


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        pytest.param(get(fields=b"Connection: Upgrade\r\nUpgrade: x\r\n"), SWITCH, id="tunnel"),
        pytest.param(get(), LARGE, id="unread reply"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc", "wait-body", id="upload"
        ),
    ],
)
@pytest.mark.parametrize("tables", SHARING, ids=["", "coalesce", "cache"])
async def test_any_number_of_idle_clients_does_not_lock_others_out(
    request_: bytes, reply: Any, tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.middleware.concurrency.permit.LEFT", 0.2)
    monkeypatch.setattr("proxy.middleware.concurrency.permit.SILENT", 0.2)
    idle = [[reply, "hold"] for _ in range(5)]
    async with (
        contextlib.AsyncExitStack() as stack,
        RawUpstream(*idle, [OK]) as upstream,
        proxied(upstream, **LIMITED, **tables) as proxy,
    ):
        for number in range(5):
            client = await stack.enter_async_context(await proxy.connect(receive_buffer=4096))
            await client.send(request_.replace(b" / ", b" /%d " % number))
            await upstream.until(partial(arrived, upstream, number + 1))
        assert await other_is_served(proxy)
