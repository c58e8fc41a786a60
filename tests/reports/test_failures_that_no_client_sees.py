"""An API that fails behind stale replies, or behind another upstream, is said to fail.

Its clients get 200, so what is told of them says nothing of it, until the last stale reply is too
old.
"""

import asyncio
import json
from typing import Any

import pytest

from proxy.admin.top.sums import SERVER, Sum, state_of, sums
from tests.support.client import ask
from tests.support.message import get, length
from tests.support.proxy import Proxy, proxied
from tests.support.upstream import RawUpstream, Script

ADMIN = {"listen": "127.0.0.1:0"}
ONCE = {"retry": False, "admin": ADMIN}
STORED = length(b"stored", b"200 OK\r\nCache-Control: max-age=0")
BUSY: Script = [length(b"busy", b"503 Busy")]
CUT: Script = ["wait-body", "fin"]


async def told(proxy: Proxy, path: str) -> Any:
    return json.loads((await ask(proxy.admin, get(path))).body)


async def trouble(proxy: Proxy) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while not (found := (await told(proxy, "/api/causes"))["now"]):  # noqa: ASYNC110 - it is polled by design
            await asyncio.sleep(0.05)
    [cause] = found
    return dict(cause)


async def tile(proxy: Proxy, upstream: str) -> tuple[int, int, str]:
    """What is shown of its first server: how often it was asked and failed, and how it is."""
    [server, *_] = (await told(proxy, "/api/upstreams"))[upstream]
    history = await told(proxy, "/api/history?span=60&step=60")
    found = sums(history, SERVER).get((upstream, server["endpoint"]), Sum())
    return found.asked, found.failures, state_of(server, [], found)


async def clients_have_failed(proxy: Proxy) -> int:
    history = await told(proxy, "/api/history?span=60&step=60")
    return sum(each.failed for each in sums(history).values())


@pytest.mark.parametrize("failing", [BUSY, CUT], ids=["503", "cut"])
async def test_stale_replies_do_not_hide_it(failing: Script) -> None:
    cache = {"stale_if_error": "60s"}
    async with (
        RawUpstream([STORED], failing) as upstream,
        proxied(upstream, cache=cache, **ONCE) as proxy,
    ):
        for _ in range(3):
            assert (await proxy.ask(get())).body == b"stored"
        cause = await trouble(proxy)
        assert (cause["cause"], cause["upstream"], cause["route"]) == ("stale", "api", "/")
        assert cause["server"] == upstream.url
        assert cause["text"].startswith("The API fails; stored replies stand in for it: api (")
        [call] = (await told(proxy, "/api/exchanges?filter=cause:stale"))["exchanges"]
        assert "; a stored reply was given in its place; " in call["why"]
        assert (call["id"], call["status"]) == (cause["example"], 200)
        assert not call.get("failed")
        assert (await tile(proxy, "api"))[:2] == (2, 1)
        assert await clients_have_failed(proxy) == 0


async def test_a_stale_reply_before_the_api_is_asked_does_not_hide_it() -> None:
    """With stale-while-revalidate, only what is sent in the background fails."""
    cache = {"stale_while_revalidate": "60s"}
    async with (
        RawUpstream([STORED], BUSY) as upstream,
        proxied(upstream, cache=cache, **ONCE) as proxy,
    ):
        for _ in range(2):
            assert (await proxy.ask(get())).body == b"stored"
        cause = await trouble(proxy)
        assert (cause["cause"], cause["server"]) == ("stale", upstream.url)
        assert (await tile(proxy, "api"))[:2] == (2, 1)
        assert await clients_have_failed(proxy) == 0


async def test_a_refresh_that_goes_well_is_no_trouble() -> None:
    cache = {"stale_while_revalidate": "60s"}
    async with RawUpstream([STORED]) as upstream, proxied(upstream, cache=cache, **ONCE) as proxy:
        await proxy.ask(get())
        await proxy.ask(get())
        async with asyncio.timeout(30):
            while (await tile(proxy, "api"))[0] < 2:  # noqa: ASYNC110 - it is polled by design
                await asyncio.sleep(0.05)
        assert await tile(proxy, "api") == (2, 0, "well")
        assert (await told(proxy, "/api/causes"))["now"] == []


@pytest.mark.parametrize("failing", [BUSY, CUT], ids=["503", "cut"])
async def test_another_upstream_does_not_hide_it(failing: Script) -> None:
    async with RawUpstream(failing) as upstream, RawUpstream([length(b"other")]) as other:
        others = [{"name": "other", "servers": [other.url]}]
        routes = [{"upstream": "api", "fallback": ["other"]}]
        async with proxied(upstream, others=others, routes=routes, **ONCE) as proxy:
            for _ in range(2):
                assert (await proxy.ask(get())).body == b"other"
            cause = await trouble(proxy)
            assert (cause["cause"], cause["upstream"]) == ("fallback", "api")
            assert cause["server"] == upstream.url
            assert cause["text"].startswith("An upstream fails; another one stands in for it: api ")
            found = (await told(proxy, "/api/exchanges?filter=cause:fallback"))["exchanges"]
            place = other.url.removeprefix("http://")
            assert f"; other ({place}) answered in its place; " in found[0]["why"]
            assert await tile(proxy, "api") == (2, 2, "fails")
            assert await tile(proxy, "other") == (2, 0, "well")
            assert await clients_have_failed(proxy) == 0


async def test_the_second_upstream_that_fails_does_not_hide_the_first() -> None:
    async with RawUpstream(BUSY) as upstream, RawUpstream(BUSY) as other:
        others = [{"name": "other", "servers": [other.url]}]
        routes = [{"upstream": "api", "fallback": ["other"]}]
        async with proxied(upstream, others=others, routes=routes, **ONCE) as proxy:
            assert (await proxy.ask(get())).status == 503
            assert (await trouble(proxy))["cause"] in ("answer", "retries")
            assert await tile(proxy, "api") == (1, 1, "fails")
            assert await tile(proxy, "other") == (1, 1, "fails")
            assert await clients_have_failed(proxy) == 1
