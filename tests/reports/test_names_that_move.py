"""Traffic follows a name, in the family that reaches, and what is known of its servers stays.

TykTechnologies/tyk#1485 and envoyproxy/envoy#35634 (a name with one address moves, traffic never
does while it is warm), envoyproxy/gateway#4605 (only one of two families reaches the server).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ThreadedResolver

from proxy.core.duration import Duration
from proxy.upstream.endpoints import Endpoints
from proxy.upstream.options import UpstreamOptions
from proxy.upstream.session import Session
from tests.support.loop import JumpingLoop
from tests.support.message import OK, get
from tests.support.names import look_up_result
from tests.support.proxy import proxied
from tests.support.upstream import Connection, RawUpstream

TTL = 30
ONE, TWO, THREE, FOUR = (f"127.0.0.{number}" for number in range(1, 5))


class Zone:
    """What the name stands for."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked = 0
        self.news = asyncio.Event()

    async def looked_up(self) -> None:
        """Wait until the proxy has heard of what is said now."""
        for _ in range(2):  # the first one may have been under way
            self.news.clear()
            async with asyncio.timeout(30):
                await self.news.wait()

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        self.asked += 1
        self.news.set()
        return [look_up_result(ip) for ip in self.addresses]


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Zone:
    found = Zone(ONE)

    async def resolve(_: Any, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        return await found.resolve(host, port, family)

    monkeypatch.setattr(ThreadedResolver, "resolve", resolve)
    return found


@asynccontextmanager
async def beside(one: RawUpstream, ip: str) -> AsyncIterator[RawUpstream]:
    """A server on the same port of another address."""
    two = RawUpstream()
    try:
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(two), ip, one.port
        )
    except OSError:
        pytest.skip(f"no {ip} here")
    yield two
    server.close()
    for connection in two.connections:
        connection.transport.abort()


def named(port: int, ttl: str = "50ms") -> dict[str, Any]:
    servers = [f"http://api.test:{port}"]
    return {"upstream_options": {"servers": servers, "dns_ttl": ttl, "keepalive_timeout": "60s"}}


async def test_a_name_with_one_address_moves_and_its_warm_connections_are_closed(
    zone: Zone,
) -> None:
    go = asyncio.Event()
    async with (
        RawUpstream([go, OK]) as one,
        beside(one, TWO) as two,
        proxied(one, **named(one.port)) as proxy,
        await proxy.connect() as client,
        await proxy.connect() as slow,
    ):
        await slow.send(get())
        await one.until(lambda: one.requests)
        zone.addresses = [TWO]
        await zone.looked_up()
        for _ in range(3):
            assert (await client.ask(get())).status == 200
        assert (len(one.requests), len(two.requests)) == (1, 3)
        go.set()
        assert (await slow.receive()).status == 200  # what was in use has finished
        async with asyncio.timeout(30):
            await one.connections[0].closed.wait()
        assert (
            len({exchange.record.endpoint for exchange in proxy.records}) == 1
        )  # one server all the time


async def test_a_resting_connection_is_closed_when_its_address_is_gone(zone: Zone) -> None:
    async with (
        RawUpstream() as one,
        beside(one, TWO) as two,
        proxied(one, **named(one.port)) as proxy,
    ):
        assert (await proxy.ask(get())).status == 200
        zone.addresses = [TWO]
        async with asyncio.timeout(30):
            await one.connections[0].closed.wait()
        assert (await proxy.ask(get())).status == 200
        assert (len(one.requests), len(two.requests)) == (1, 1)


async def test_dns_ttl_is_what_a_name_with_one_address_obeys(zone: Zone) -> None:
    async with RawUpstream() as one:
        options = named(one.port, "60s")
        options["upstream_options"]["keepalive_timeout"] = "0"
        async with proxied(one, **options) as proxy:
            for _ in range(5):
                assert (await proxy.ask(get())).status == 200
        assert len(one.connections) == 5
        assert zone.asked == 1


async def test_without_a_ttl_each_connection_looks_the_name_up(zone: Zone) -> None:
    async with RawUpstream() as one, beside(one, TWO) as two:
        options = named(one.port, "0")
        options["upstream_options"]["keepalive_timeout"] = "0"
        async with proxied(one, **options) as proxy:
            assert (await proxy.ask(get())).status == 200
            zone.addresses = [TWO]
            assert (await proxy.ask(get())).status == 200
        assert (len(one.requests), len(two.requests)) == (1, 1)


@asynccontextmanager
async def endpoints() -> AsyncIterator[Endpoints]:
    table = UpstreamOptions(name="api", servers=("http://api.test",), dns_ttl=Duration(TTL))
    async with Session() as session:
        found = Endpoints(table, session)
        found.open()
        await asyncio.sleep(1)
        try:
            yield found
        finally:
            await found.close()


async def test_answers_that_take_turns_throw_nothing_away(jumping: JumpingLoop, zone: Zone) -> None:
    zone.addresses = [ONE, TWO]
    async with endpoints() as found:
        first = {endpoint.name: endpoint for endpoint in found.members}
        for answer in ([THREE, FOUR], [ONE, THREE], [TWO, FOUR], [ONE, TWO]):
            zone.addresses = answer
            await asyncio.sleep(TTL)
        members = {endpoint.name: endpoint for endpoint in found.members}
        assert len(members) == 4
        for name, endpoint in first.items():
            assert members[name] is endpoint
            assert not endpoint.pool.expires  # its warm connections stay
        before = found.members
        zone.addresses = [THREE, FOUR]
        await asyncio.sleep(TTL)
        assert found.members == before


async def test_an_address_that_comes_back_finds_its_state(jumping: JumpingLoop, zone: Zone) -> None:
    zone.addresses = [ONE, TWO]
    async with endpoints() as found:
        first = found.members[0]
        first.outcomes[500] += 7
        zone.addresses = [TWO, THREE]
        await asyncio.sleep(TTL)
        assert first not in found.members
        assert first in found.away
        zone.addresses = [ONE, TWO]
        await asyncio.sleep(TTL)
        assert first in found.members
        assert first not in found.away


@pytest.mark.parametrize(
    "addresses", [[ONE, "::1"], [ONE, TWO, "::1"], [ONE, TWO, THREE, FOUR, "::1", "fd00:dead::9"]]
)
async def test_both_families_are_tried(zone: Zone, addresses: list[str]) -> None:
    async with RawUpstream() as one:
        port = one.port
        one._server.close()  # nobody is there over IPv4
        await one._server.wait_closed()
        async with beside(one, "::1") as six:
            zone.addresses = addresses
            async with proxied(f"http://api.test:{port}", **named(port)) as proxy:
                for _ in range(6):
                    assert (await proxy.ask(get())).status == 200
            assert len(six.requests) == 6


async def test_without_a_ttl_what_each_connection_hears_holds_for_those_before_it(
    zone: Zone,
) -> None:
    """A connection that was busy at the time of the look-up does not stay for ever."""
    go = asyncio.Event()
    async with (
        RawUpstream([go, OK]) as one,
        beside(one, TWO) as two,
        proxied(one, **named(one.port, "0")) as proxy,
        await proxy.connect() as client,
        await proxy.connect() as slow,
    ):
        await slow.send(get())
        await one.until(lambda: one.requests)
        zone.addresses = [TWO]
        assert (await client.ask(get())).status == 200
        go.set()
        assert (await slow.receive()).status == 200
        for _ in range(3):
            assert (await client.ask(get())).status == 200
        assert (len(one.requests), len(two.requests)) == (1, 4)
