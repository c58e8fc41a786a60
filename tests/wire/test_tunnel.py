"""Upgraded connections: bytes both ways, untouched."""

import asyncio
import json
import os
from typing import Any

import pytest

from tests.support.client import ask
from tests.support.message import get, length
from tests.support.peer import SWITCHING, Peer, echo, idle
from tests.support.proxy import dialled, fronted, proxied
from tests.support.tunnel import GOING_AWAY, OFFER, WEBSOCKET, frame, tunnel
from tests.support.upstream import HEALTHY

ADMIN: dict[str, Any] = {"admin": {"listen": "127.0.0.1:0"}}


@pytest.mark.parametrize("protocol", [b"websocket", b"WebSocket", b"foo/2", b"TLS/1.0"])
async def test_any_protocol_passes_byte_for_byte(protocol: bytes) -> None:
    async with tunnel(echo, protocol) as (client, peer, proxy):
        for size in (1, 100, 300_000):
            data = os.urandom(size)
            await client.send(data)
            assert await client.exactly(size) == data
        client.half_close()
        assert await client.closed() == "fin"
        assert b"\r\nConnection: Upgrade\r\nUpgrade: %b\r\n" % protocol in peer.heads[0]
        record = await proxy.record()
        assert (record.status, record.error) == (101, "")
        assert record.bytes_in == record.bytes_out == 300_101


@pytest.mark.parametrize("protocol", [b"websocket", b"foo"])
async def test_bytes_that_came_early_are_not_lost(protocol: bytes) -> None:
    async with tunnel(echo, protocol, early=b"hello", sent=b"GET \r\n\r\n\x00rest") as parts:
        client = parts[0]
        assert await client.exactly(18) == b"helloGET \r\n\r\n\x00rest"


@pytest.mark.parametrize("protocol", [b"websocket", b"foo"])
async def test_a_head_in_pieces_makes_the_same_offer(protocol: bytes) -> None:
    async with Peer(echo, protocol) as peer, proxied(peer.url) as proxy:
        data = OFFER % protocol + b"early"
        for cut in (5, 30, 48, 52, 60, len(data) - 7, len(data) - 6, len(data) - 5, len(data) - 1):
            async with await proxy.connect() as client:
                await client.send(data[:cut])
                await proxy.breathe()
                await client.send(data[cut:])
                await client.read_until(b"\r\n\r\n")
                assert await client.read_until(b"early") == b"early"


async def test_more_than_fits_waits_until_it_is_known_what_it_is() -> None:
    go = asyncio.Event()
    data = os.urandom(12 << 20)  # more than the kernel holds
    async with dialled(["wait-body", go, SWITCHING % b"foo", "hold"]) as (upstream, _, client):
        sending = asyncio.create_task(client.send(OFFER % b"foo" + data))
        await asyncio.sleep(0.05)
        assert not sending.done()
        go.set()
        await sending
        await upstream.until(lambda: upstream.received.endswith(data))


@pytest.mark.parametrize("status", [b"401 No", b"403 No", b"426 Upgrade Required", b"200 OK"])
async def test_a_refusal_arrives_with_its_body(status: bytes) -> None:
    reply = length(b"because", status, b"X-Why: z\r\n")
    async with dialled(["wait-body", reply], HEALTHY) as (_, _, client):
        answer = await client.ask(WEBSOCKET)
        assert (answer.status, answer.body) == (int(status[:3]), b"because")
        assert answer.value("x-why") == b"z"
        assert (await client.ask(get())).status == 200  # the connection speaks HTTP as before


async def test_a_refused_client_that_went_ahead_in_another_protocol_is_not_read_as_http() -> None:
    reply = length(b"because", b"403 No")
    async with dialled(["wait-body", reply]) as (upstream, _, client):
        answer = await client.ask(WEBSOCKET + get("/smuggled"))
        assert (answer.status, answer.value("connection")) == (403, b"close")
        assert await client.closed() == "fin"
        assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "request_",
    [
        get(),
        OFFER % b"h2c",
        WEBSOCKET.replace(b"Connection: Upgrade", b"Connection: keep-alive"),
        WEBSOCKET.replace(b"Connection: Upgrade\r\n", b""),
        WEBSOCKET.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
    ids=["plain", "h2c", "not-an-option", "no-connection", "1.0"],
)
async def test_a_101_that_was_not_asked_for_is_a_bad_reply(request_: bytes) -> None:
    async with fronted(
        ["wait-body", SWITCHING % b"websocket"],
        retry={"attempts": 1},
    ) as (upstream, proxy):
        assert (await proxy.ask(request_)).status == 502
        assert not upstream.requests[0].head.values("upgrade")


@pytest.mark.parametrize("answer", [b"foo", b"websocket, foo", b""])
async def test_a_101_to_something_else_is_a_bad_reply(answer: bytes) -> None:
    async with fronted(["wait-body", SWITCHING % answer], retry={"attempts": 1}) as (_, proxy):
        assert (await proxy.ask(WEBSOCKET)).status == 502


async def test_the_client_may_offer_several() -> None:
    async with (
        Peer(echo, b"bar") as peer,
        proxied(peer.url) as proxy,
        await proxy.connect() as client,
    ):
        await client.send(OFFER % b"foo, h2c, bar")
        assert b"Upgrade: bar\r\n" in await client.read_until(b"\r\n\r\n")
        assert b"Upgrade: foo, bar\r\n" in peer.heads[0]


async def test_an_upgrade_behind_another_request_keeps_what_follows() -> None:
    async with dialled(
        ["wait-body", length(b"1")],
        [SWITCHING % b"foo", "hold"],
    ) as (upstream, _, client):
        await client.send(get())
        assert (await client.read_until(b"1", 3)).endswith(b"1")
        await client.send(OFFER % b"foo" + b"more")
        await client.read_until(b"\r\n\r\n")
        await upstream.until(lambda: upstream.received.endswith(b"\r\n\r\nmore"))


async def test_half_close_is_kept_in_both_directions() -> None:
    async def answer_after_the_end(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        data = await reader.read()
        writer.write(data[::-1] * 3)
        await writer.drain()

    async with tunnel(answer_after_the_end, b"foo") as (client, _, _proxy):
        await client.send(b"abc")
        client.half_close()
        assert await client.rest() == b"cbacbacba"
        assert client.end == "fin"

    async def end_then_listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.write_eof()
        heard.append(await reader.read())

    heard: list[bytes] = []
    async with tunnel(end_then_listen, b"foo") as (client, _, proxy):
        assert await client.rest() == b"bye"
        await client.send(b"still here")
        client.half_close()
        await proxy.record()
        assert heard == [b"still here"]


async def test_a_reset_is_passed_on_as_a_reset() -> None:
    async with tunnel(echo, b"foo") as (client, peer, proxy):
        await client.send(b"x")
        await client.read()
        client.reset()
        record = await proxy.record()
        assert (record.status, record.error) == (101, "")
        for _ in range(100):
            if peer.ends:
                break
            await asyncio.sleep(0.01)
        assert peer.ends == ["rst"]

    async with dialled([SWITCHING % b"foo", 0.02, "rst"]) as (_, proxy, client):
        await client.send(OFFER % b"foo")
        await client.read_until(b"\r\n\r\n")
        assert await client.closed() == "rst"


async def test_a_reader_that_is_slow_stops_the_writer() -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(64):
            writer.write(bytes(1 << 20))
            await writer.drain()
            poured.append(1)

    poured: list[int] = []
    async with tunnel(pour, b"foo") as (client, _, proxy):
        await asyncio.sleep(0.1)
        held = len(poured)
        assert held < 20
        await asyncio.sleep(0.05)
        assert len(poured) == held
        assert len(await client.rest()) == 64 << 20
        client.half_close()
        assert (await proxy.record()).bytes_out == 64 << 20


async def test_an_idle_tunnel_ends_with_a_close_frame() -> None:
    async with tunnel(idle, timeouts={"tunnel_idle": "1s"}) as (client, _, proxy):
        for _ in range(4):
            await asyncio.sleep(0.3)
            await client.send(frame(b"x", mask=b"abcd"))
        assert await client.exactly(4) == GOING_AWAY
        await client.send(frame(b"\x03\xe9", opcode=8, mask=b"abcd"))
        record = await proxy.record()
        assert (record.status, record.error) == (101, "connection_read_timeout")


async def test_total_does_not_end_a_tunnel() -> None:
    async with tunnel(echo, b"foo", timeouts={"total": "1s"}) as (client, _, _proxy):
        await asyncio.sleep(1.2)
        await client.send(b"x")
        assert await client.exactly(1) == b"x"


async def test_tunnels_are_counted_and_listed() -> None:
    async with tunnel(echo, b"foo", **ADMIN) as (client, peer, proxy):
        await client.send(b"abc")
        await client.read()
        state = json.loads((await ask(proxy.admin, get("/api/state"))).body)
        [listed] = state["tunnels"]
        assert (listed["protocol"], listed["endpoint"]) == ("foo", peer.url)
        assert (listed["bytes_in"], listed["bytes_out"]) == (3, 3)
        assert state["upstreams"]["api"][0]["connections"] == 1
        client.half_close()
        await client.closed()
        await proxy.record()
        state = json.loads((await ask(proxy.admin, get("/api/state"))).body)
        assert state["tunnels"] == []
        assert state["counters"]["/"]["tunnels"] == 1
        assert state["upstreams"]["api"][0]["connections"] == 0


async def test_a_tunnel_holds_its_place_in_the_limit_of_an_upstream() -> None:
    options: dict[str, Any] = {"upstream_options": {"limit": 1}, "timeouts": {"connect": "1s"}}
    async with tunnel(echo, b"foo", **options) as (client, _, proxy):
        assert (await proxy.ask(OFFER % b"foo")).status == 503
        client.half_close()
        await client.closed()
        await proxy.record(1)
        async with await proxy.connect() as next_one:
            await next_one.send(OFFER % b"foo")
            assert b" 101 " in await next_one.read_until(b"\r\n\r\n")


@pytest.mark.parametrize("body", [b"", b"hello"])
async def test_a_body_and_what_follows_it_are_both_counted(body: bytes) -> None:
    """Docker posts an empty body with its offer."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(len(body)) == body
        await echo(reader, writer)

    offer = (OFFER % b"tcp").replace(b"GET ", b"POST ")[:-2]
    async with (
        Peer(speak, b"tcp") as peer,
        proxied(peer.url) as proxy,
        await proxy.connect() as client,
    ):
        await client.send(offer + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await client.read_until(b"\r\n\r\n")
        await client.send(bytes(60))
        client.half_close()
        assert await client.rest() == bytes(60)
        record = await proxy.record()
        assert (record.bytes_in, record.bytes_out) == (len(body) + 60, 60)
