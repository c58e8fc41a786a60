"""A configuration that has ended goes at once: nothing of it waits for the garbage collector.

Full collections are rare here on purpose. Chains held themselves in cycles, so hundreds of reloads
left hundreds of trees between what lived: the process grew from 53 to 112 MiB, and when the
collector came at last, the memory was in too many pieces to be given back.
"""

import asyncio
from typing import Any

import pytest

from tests.support.garbage import collector_off
from tests.support.message import chunked, get, length
from tests.support.proxy import Proxy, laid_over, parsed, proxied, toml
from tests.support.upstream import HEALTHY, PATIENCE, RawUpstream, Script

TURNS = 3

EVERYTHING: dict[str, Any] = {
    "timeouts": {"total": "9s", "per_try": "2s", "first_byte": "3s"},
    "retry": {"on": ["connect-failure", "reset", "500", "503"], "wait_for_connect": "1s"},
    "deadline": {},
    "hedge": {"delay": "20ms", "budget_percent": 100.0},
    "concurrency": {"max_requests": 9, "adaptive": "gradient"},
    "queue": {"size": 9},
    "rate_limit": {"average": 500.0, "max_wait": "1s"},
    "health_check": {"path": "/health", "interval": "50ms"},
    "load_balance": {"policy": "peak_ewma"},
    "circuit_breaker": {"failure_ratio": 0.5},
    "coalesce": {},
    "cache": {},
    "cors": {"allow_origins": ["https://app.example"]},
    "stream": {"commit": "first_chunk", "heartbeat": "50ms", "on_error": "event", "resume": "2s"},
}
"""Every table that makes a link."""

KINDS: dict[str, dict[str, Any]] = {
    "everything": EVERYTHING,
    "defaults": {},
    "last chance": {
        "load_balance": {"policy": "least_request"},
        "admin": {"listen": "127.0.0.1:0"},
    },
    "nothing": {"retry": False, "load_balance": False, "errors": False},
}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
SCRIPTS: dict[str, Script] = {
    "answers": HEALTHY,
    "streams": ("wait-body", HEAD + chunked(b"a", b"b")),
    "fails": ("wait-body", length(b"", b"503 Service Unavailable")),
    "resets": ("wait-body", "rst"),
}


def configuration(urls: list[str], number: int) -> dict[str, Any]:
    """Each differs from the one before in servers, options and routes; two routes stay."""
    return {
        "upstreams": [
            {"name": "api", "servers": urls[: 1 + number % 2], "limit": 40 + number % 3},
            {"name": "other", "servers": urls[:1]},
            {"name": f"new-{number}", "servers": [f"http://localhost:{urls[0][-5:]}"]},
        ],
        "routes": [
            {"path": "/a", "upstream": "api", "fallback": ["other"]},
            {"path": "/b", "upstream": "other", "strip_prefix": "/b"},
            {"path": "/c", "upstream": "other", "strip_prefix": f"/c/{number}"},
            {"path_regex": f"/d/[0-9]+/{number}", "upstream": "api", "methods": ["GET"]},
            {"path": "/e", "upstream": f"new-{number}", "host": f"*.h{number}.example"},
        ],
        "server": {"listen": "127.0.0.1:0", "server_timing": bool(number % 2)},
    }


async def asked(proxy: Proxy, number: int) -> None:
    """A request for each route, to each configuration, whatever becomes of it."""
    for target in ("/a", "/b", f"/c/{number}", f"/d/1/{number}", "/e"):
        host = b"a.h%d.example" % number
        await proxy.ask(get(target, b"Connection: close\r\n", host=host))
    await proxy.breathe()


async def ended(proxy: Proxy) -> None:
    """Until no configuration before is in use or being closed."""
    generations = proxy.runtime._generations
    async with asyncio.timeout(PATIENCE):
        while generations.before or generations._closing or proxy.runtime._tracker.connections:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
    await proxy.breathe()


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_reload_leaves_nothing_to_the_collector(kind: str, script: str) -> None:
    async with (
        RawUpstream(SCRIPTS[script]) as a,
        RawUpstream(SCRIPTS[script]) as b,
        proxied(a, **KINDS[kind]) as proxy,
    ):
        urls = [a.url, b.url]

        async def once(number: int) -> None:
            await proxy.reload(**configuration(urls, number))
            await asked(proxy, number)

        await once(0)
        await once(1)
        with collector_off() as found:
            for number in range(2, 2 + TURNS):
                await once(number)
            await ended(proxy)
            for upstream in (a, b):
                upstream.connections.clear()
                upstream.requests.clear()
            assert found() == {}


async def test_a_reload_that_is_given_up_leaves_nothing_either() -> None:
    async with RawUpstream() as a, RawUpstream() as b, proxied(a, **EVERYTHING) as proxy:
        urls = [a.url, b.url]
        await proxy.reload(**configuration(urls, 0))
        with collector_off() as found:
            for number in range(1, 1 + TURNS):
                text = toml(laid_over(proxy.tables, configuration(urls, number)))
                prepared = await proxy.runtime.prepare(parsed(text))
                await proxy.runtime.abandon(prepared)
            del prepared
            await ended(proxy)
            assert found() == {}
            assert (await proxy.ask(get("/a", b"Connection: close\r\n"))).status == 200


async def test_targets_under_way_are_used_to_the_end() -> None:
    """A stream goes on with its chain after a reload, and then its chain goes."""
    go_on = asyncio.Event()
    script = ("wait-body", HEAD + b"1\r\na\r\n", go_on, b"1\r\nb\r\n0\r\n\r\n")
    async with RawUpstream(script) as a, RawUpstream() as b, proxied(a) as proxy:
        await proxy.reload(**configuration([a.url, b.url], 0))
        with collector_off() as found:
            async with await proxy.connect() as client:
                await client.send(get("/a", b"Connection: close\r\n"))
                await a.until(lambda: a.requests)
                await proxy.reload(**configuration([b.url, a.url], 1))
                go_on.set()
                assert (await client.receive()).body == b"ab"
            await ended(proxy)
            a.connections.clear()
            a.requests.clear()
            assert found() == {}
