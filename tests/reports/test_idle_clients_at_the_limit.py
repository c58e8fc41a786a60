"""Clients that only rest do not keep others out (haproxy/haproxy#18).

At `max_connections`, each further client got 503 for as long as the others kept their idle
connections, 75 s; nginx closes the one that has been idle for longest.
"""

import asyncio
from contextlib import AsyncExitStack
from math import inf
from pathlib import Path
from typing import Any

import pytest

from proxy.net.sockets import unsent
from proxy.run.descriptors import Descriptors
from proxy.run.runtime import Runtime
from tests.support.authority import Authority
from tests.support.client import RawClient
from tests.support.message import OK, get, length
from tests.support.proxy import Proxy, dialled, fronted, parsed
from tests.support.tls_client import client_of, encrypted
from tests.support.upstream import RawUpstream

LONG = 30.0
FOUR: dict[str, Any] = {"max_connections": 4}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.edge.longest_rested.ENOUGH", 0.0)


def evicted(proxy: Proxy) -> int:
    return proxy.runtime._tracker.evicted


async def resting(proxy: Proxy, number: int, *, taken: bool = True) -> None:
    """So many rest, and their kernels have said that they have what was written (``taken``)."""

    def rests(connection: Any) -> bool:
        waits = taken and unsent(connection.transport, connection._socket)
        return connection.clock.since < inf and not waits

    connections = proxy.runtime._tracker.connections
    async with asyncio.timeout(LONG):
        while sum(map(rests, connections)) < number:  # noqa: ASYNC110 - nobody notifies tests
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_the_client_that_has_been_idle_longest_makes_room(tls: bool, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = {**FOUR, **(encrypted(authority) if tls else {})}
    async with (
        fronted(server=server) as (_, proxy),
        AsyncExitStack() as stack,
    ):

        async def come() -> RawClient:
            client = await (client_of(proxy, authority) if tls else proxy.connect())
            return await stack.enter_async_context(client)

        clients = [await come() for _ in range(4)]
        for client in (*clients, clients[0]):  # the first is the last one to have asked
            assert (await client.ask(get())).status == 200
            await asyncio.sleep(0.002)  # the loop's clock counts milliseconds
        for gone in clients[1:]:
            await resting(proxy, 4)
            client = await come()
            assert (await client.ask(get())).status == 200
            assert await gone.closed(LONG) == "fin"
        assert (await clients[0].ask(get())).status == 200
        assert evicted(proxy) == 3
        assert {record.status for record in proxy.records} == {200}


async def test_whoever_has_never_said_a_word_makes_room_too() -> None:
    async with (
        fronted(server=FOUR) as (_, proxy),
        AsyncExitStack() as stack,
    ):
        for number in range(4):
            await stack.enter_async_context(await proxy.connect())
            await resting(proxy, number + 1)
        for _ in range(6):
            client = await stack.enter_async_context(await proxy.connect())
            assert (await client.ask(get())).status == 200
            await resting(proxy, 4)


async def test_nobody_who_is_served_makes_room_however_many_come() -> None:
    held = asyncio.Event()
    async with (
        fronted(["wait-body", held, OK], server=FOUR) as (upstream, proxy),
        AsyncExitStack() as stack,
    ):
        served = [await stack.enter_async_context(await proxy.connect()) for _ in range(3)]
        begun = await stack.enter_async_context(await proxy.connect())
        for client in served:
            await client.send(get())
        await begun.send(get()[:-2])  # its head is not whole
        await upstream.until(lambda: len(upstream.requests) == 3)
        for _ in range(20):
            assert (await proxy.ask(get())).status == 503
        held.set()
        await begun.send(get()[-2:])
        for client in (*served, begun):
            assert (await client.receive(patience=LONG)).status == 200
        assert evicted(proxy) == 0


async def test_who_is_still_reading_its_reply_makes_no_room() -> None:
    """It has been written, and asks for nothing more from here; it is not the client's yet."""
    body = b"x" * 200_000
    async with (
        fronted([length(body)], server={"max_connections": 1}) as (_, proxy),
        await proxy.connect(receive_buffer=4096) as reading,
    ):
        await reading.send(get())
        await resting(proxy, 1, taken=False)
        assert (await proxy.ask(get())).status == 503
        assert (await reading.receive(patience=LONG)).body == body
        await resting(proxy, 1)
        assert (await proxy.ask(get())).status == 200
        assert evicted(proxy) == 1


async def test_a_request_that_the_loop_has_not_seen_yet_is_answered() -> None:
    async with dialled(server={"max_connections": 1}) as (_, proxy, client):
        assert (await client.ask(get())).status == 200
        await resting(proxy, 1)
        tracker = proxy.runtime._tracker
        # Written and looked at without giving the loop a turn in between.
        client._socket.send(get())
        assert tracker.make_room(asyncio.get_running_loop().time()) is not None
        assert (await client.receive(patience=LONG)).status == 200


async def test_a_limit_that_descriptors_set_is_no_exception() -> None:
    config = "[server]\nlisten = '127.0.0.1:0'\n[[upstreams]]\nname = 'api'\nservers = ['{}']\n"
    async with RawUpstream() as upstream, AsyncExitStack() as stack:
        runtime = Runtime(parsed(config.format(upstream.url)), (), Descriptors(1024, 956))
        await runtime.open()
        stack.push_async_callback(runtime.close)
        host, _, port = runtime.http[0].rpartition(":")
        for _ in range(40):
            client = await stack.enter_async_context(await RawClient.connect((host, int(port))))
            assert (await client.ask(get())).status == 200
        assert runtime._tracker.evicted == 38
        assert len(runtime._tracker.connections) == 2
