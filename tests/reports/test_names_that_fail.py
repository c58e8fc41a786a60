"""A server whose name was known stays reachable while the name cannot be looked up.

caddyserver/caddy#5816 and kubernetes/dns#747 (the resolver is down, or says for a while that the
name is unknown, and every request fails though the server is well).
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ThreadedResolver

from proxy.core.duration import Duration
from proxy.upstream.endpoints import Endpoints
from proxy.upstream.options import UpstreamOptions
from proxy.upstream.resolver import AGAIN
from proxy.upstream.session import Session
from tests.support.loop import JumpingLoop
from tests.support.message import OK, get
from tests.support.proxy import Proxy, proxied
from tests.support.upstream import RawUpstream

TTL = 30
KNOWN = "127.0.0.1"
GONE = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
DOWN = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
EMPTY = socket.gaierror(socket.EAI_NODATA, "No address associated with hostname")


class Zone:
    """What is said of the name."""

    def __init__(self) -> None:
        self.says: list[str] | OSError | asyncio.Event = [KNOWN]
        """Addresses, a failure, or what it hangs until."""
        self.asked = 0
        self._news = asyncio.Event()

    async def resolve(self, *_: Any) -> list[dict[str, Any]]:
        self.asked += 1
        self._news.set()
        said = self.says
        if isinstance(said, asyncio.Event):
            await said.wait()
            said = [KNOWN]
        if isinstance(said, OSError):
            raise said
        entry = {"hostname": "api.test", "port": 0, "family": 2, "proto": 0, "flags": 0}
        return [{**entry, "host": ip} for ip in said]

    async def until_asked(self, times: int) -> None:
        """Wait for so many more questions."""
        wanted = self.asked + times
        while self.asked < wanted:
            self._news.clear()
            async with asyncio.timeout(30):
                await self._news.wait()


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Zone:
    found = Zone()
    monkeypatch.setattr(ThreadedResolver, "resolve", found.resolve)
    return found


@asynccontextmanager
async def by_name(ttl: str) -> AsyncIterator[Proxy]:
    """A proxy that makes a new connection for each request."""
    async with RawUpstream(*[[OK]] * 4) as upstream:
        url = upstream.url.replace(KNOWN, "api.test")
        options = {"servers": [url], "dns_ttl": ttl, "keepalive_timeout": "0"}
        async with proxied(url, upstream_options=options, retry={"attempts": 1}) as proxy:
            yield proxy


@pytest.mark.parametrize("failure", [GONE, DOWN, EMPTY], ids=["gone", "down", "empty"])
async def test_what_is_known_of_a_name_that_fails_stays_in_use(
    zone: Zone, failure: OSError
) -> None:
    async with by_name("20ms") as proxy:
        assert (await proxy.ask(get())).status == 200
        zone.says = failure
        await zone.until_asked(3)  # what was known has expired
        assert (await proxy.ask(get())).status == 200


async def test_a_name_that_hangs_keeps_no_request_waiting_while_it_is_known(zone: Zone) -> None:
    async with by_name("20ms") as proxy:
        assert (await proxy.ask(get())).status == 200
        zone.says = asyncio.Event()
        await zone.until_asked(1)
        for _ in range(2):
            assert (await proxy.ask(get())).status == 200
        zone.says.set()


@pytest.mark.parametrize(("ttl", "says"), [("20ms", GONE), ("0", GONE)])
async def test_a_name_that_was_never_known_is_a_502(zone: Zone, ttl: str, says: OSError) -> None:
    zone.says = says
    async with by_name(ttl) as proxy:
        answer = await proxy.ask(get())
    assert (answer.status, answer.value("Proxy-Status")) == (502, b"sidecar-proxy; error=dns_error")


async def test_it_is_looked_up_again_soon_and_said_once(
    jumping: JumpingLoop, zone: Zone, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "proxy.upstream")
    options = UpstreamOptions(name="api", servers=("http://api.test",), dns_ttl=Duration(TTL))
    async with Session() as session:
        found = Endpoints(options, session)
        found.open()
        await asyncio.sleep(1)
        zone.says = DOWN
        await asyncio.sleep(TTL)
        before = zone.asked
        await asyncio.sleep(4 * AGAIN)
        assert zone.asked == before + 4
        for _ in range(10):  # new connections do not ask more often
            [entry] = await session._resolver.resolve("api.test", 80)
            assert (entry["host"], entry["port"]) == (KNOWN, 80)
        assert zone.asked == before + 4
        zone.says = [KNOWN]
        await asyncio.sleep(AGAIN)
        await found.close()
    why = "temporary failure in name resolution"
    assert [record.getMessage() for record in caplog.records] == [
        f"the name api.test cannot be looked up: {why}; its last addresses stay in use",
        "the name api.test can be looked up again",
    ]
