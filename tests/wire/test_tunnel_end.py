"""How upgraded connections end when the proxy does."""

import asyncio

import pytest

from tests.support.client import ask
from tests.support.message import post
from tests.support.peer import SWITCHING, echo, idle
from tests.support.proxy import proxied
from tests.support.tunnel import GOING_AWAY, OFFER, frame, tunnel
from tests.support.upstream import RawUpstream


async def test_a_drain_ends_websockets_politely_after_its_grace() -> None:
    heard = bytearray()

    async def answer_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            heard.extend(data)
            if heard[:1] == b"\x88":
                writer.write(frame(b"\x03\xe9", opcode=8))
                return

    async with tunnel(answer_close, shutdown={"grace_period": "50ms"}) as (client, _, proxy):
        drained = asyncio.create_task(proxy.runtime.drain())
        assert await client.exactly(4) == GOING_AWAY
        await client.send(frame(b"\x03\xe9", opcode=8, mask=b"abcd"))
        assert await drained
        assert await client.closed() == "fin"
        assert heard[:2] == b"\x88\x82"
        mask, code = heard[2:6], heard[6:8]
        assert bytes(a ^ b for a, b in zip(mask, code, strict=False)) == b"\x03\xe9"
        assert not proxy.runtime._tracker.tunnels


async def test_a_drain_waits_for_the_end_of_a_frame() -> None:
    whole = frame(bytes(1000))

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(whole[:500])
        await go.wait()
        writer.write(whole[500:])
        await reader.read()

    go = asyncio.Event()
    async with tunnel(slowly, shutdown={"grace_period": "20ms"}) as (client, _, proxy):
        assert await client.exactly(500) == whole[:500]
        drained = asyncio.create_task(proxy.runtime.drain())
        await asyncio.sleep(0.1)
        go.set()
        assert await client.exactly(508) == whole[500:] + GOING_AWAY
        client.close()
        await drained


async def test_a_drain_cuts_what_does_not_answer() -> None:
    async with tunnel(idle, shutdown={"grace_period": "20ms"}) as (client, _, proxy):
        assert await proxy.runtime.drain()
        assert await client.rest() == GOING_AWAY


async def test_what_is_no_websocket_ends_with_the_drain() -> None:
    async with tunnel(echo, b"foo", shutdown={"grace_period": "20ms"}) as (client, _, proxy):
        assert await proxy.runtime.drain()
        assert await client.closed() in ("fin", "rst")


async def test_requests_are_cut_as_soon_as_tunnels_have_parted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("proxy.edge.connections._CLOSING", 600.0)
    async with (
        RawUpstream([SWITCHING % b"foo", "hold"], ["hold"]) as upstream,
        proxied(upstream, shutdown={"grace_period": "20ms"}) as proxy,
        await proxy.connect() as client,
        await proxy.connect() as waiting,
    ):
        await client.send(OFFER % b"foo")
        await client.read_until(b"\r\n\r\n")
        await waiting.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await proxy.breathe()
        drained = asyncio.create_task(proxy.runtime.drain())
        assert await client.rest() == b""
        client.reset()
        async with asyncio.timeout(30):
            assert not await drained


@pytest.mark.parametrize("operator", [True, False])
async def test_a_tunnel_that_the_proxy_cuts_was_not_left_by_its_client(operator: bool) -> None:
    admin = {"listen": "127.0.0.1:0"}
    async with tunnel(echo, b"foo", early=b"hello", admin=admin) as (client, _, proxy):
        assert await client.exactly(5) == b"hello"
        [exchange] = proxy.runtime._tracker.exchanges()
        if operator:
            cancel = f"/api/exchanges/{exchange.request_id}/cancel"
            assert (await ask(proxy.admin, post(target=cancel))).status == 200
        else:
            await proxy.runtime.close()
        assert await client.closed() == "rst"
        record = await proxy.record()
    assert (record.status, record.bytes_out) == (101, 5)
    assert record.error == ("http_request_denied" if operator else "")
