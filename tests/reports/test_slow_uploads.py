"""A client that uploads slowly makes no slow or failing server."""

import asyncio
from typing import Any

import pytest

from tests.support.message import get
from tests.support.proxy import Proxy, dialled, fronted, proxied
from tests.support.upstream import HEALTHY, RawUpstream

BOUND = 0.2
CLOCK: dict[str, Any] = {
    "timeouts": {"per_try": "200ms"},
    "retry": {"attempts": 3, "backoff_base": "1ms"},
}
HEADS = [b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n"]


async def drip(proxy: Proxy, head: bytes) -> int:
    """The status of an upload that takes far longer than an attempt may."""
    chunked = head.startswith(b"Transfer")
    async with await proxy.connect() as client:
        await client.send(b"PUT /up HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n")
        for byte in (b"a", b"b", b"c"):
            await asyncio.sleep(2 * BOUND)
            await client.send(b"1\r\n%b\r\n" % byte if chunked else byte)
        if chunked:
            await client.send(b"0\r\n\r\n")
        return (await client.receive()).status


@pytest.mark.parametrize("head", HEADS)
async def test_a_slow_upload_is_sent_once_and_blamed_on_no_server(head: bytes) -> None:
    async with RawUpstream(HEALTHY) as one, RawUpstream(HEALTHY) as other:
        servers = {"upstream_options": {"servers": [one.url, other.url]}}
        async with proxied(one, **servers, **CLOCK) as proxy:
            assert await asyncio.gather(*(drip(proxy, head) for _ in range(4))) == [200] * 4
            for _ in range(4):
                assert (await proxy.ask(get())).status == 200
            assert {ended.record.attempt_count for ended in proxy.records} == {1}
        uploads = [each for each in one.requests + other.requests if each.line.startswith(b"PUT")]
        assert len(uploads) == 4


@pytest.mark.parametrize("head", HEADS)
async def test_a_server_that_is_silent_after_a_slow_upload_is_timed(head: bytes) -> None:
    async with fronted(["hold"], HEALTHY, **CLOCK) as (_, proxy):
        assert await drip(proxy, head) == 200
        (ended,) = proxy.records
        assert [attempt.outcome for attempt in ended.record.attempt_log] == ["timeout", "200"]


async def test_an_attempt_goes_on_where_its_server_was_ejected_meanwhile() -> None:
    """The only one: another attempt would find nobody."""
    go = asyncio.Event()
    breaker = {"circuit_breaker": {"consecutive_failures": 1, "base_ejection_time": "1m"}}
    async with dialled(
        ["wait-body", go, *HEALTHY],
        ["wait-body", "rst"],
        **CLOCK,
        **breaker,
    ) as (upstream, proxy, client):
        await client.send(get("/slow"))
        await upstream.until(lambda: upstream.requests)
        assert (await proxy.ask(get("/reset"))).status == 502
        await asyncio.sleep(2 * BOUND)
        go.set()
        assert (await client.receive()).status == 200
