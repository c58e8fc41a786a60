"""The door for operators, apart from the one for clients."""

import pytest

from tests.support.client import RawClient, ask
from tests.support.message import get, post
from tests.support.proxy import fronted, proxied
from tests.support.upstream import RawUpstream

ADMIN = {"admin": {"listen": "127.0.0.1:0"}}


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (get("/healthz"), 200),
        (get("/readyz"), 200),
        (b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (get("/nothing"), 404),
        (post(b"", "/healthz"), 405),
    ],
)
async def test_health_and_readiness_are_told(request_: bytes, status: int) -> None:
    async with fronted(**ADMIN) as (upstream, proxy):
        response = await ask(proxy.admin, request_)
        assert (response.status, response.ended) == (status, "complete")
        assert upstream.requests == []
        assert proxy.records == []


async def test_health_needs_no_upstream() -> None:
    async with proxied("http://127.0.0.1:1", **ADMIN) as proxy:
        assert (await ask(proxy.admin, get("/healthz"))).status == 200
        assert (await ask(proxy.admin, get("/readyz"))).status == 200


async def test_clients_do_not_reach_it() -> None:
    async with fronted(**ADMIN) as (upstream, proxy):
        for path in ("/healthz", "/readyz"):
            assert (await proxy.ask(get(path))).body == b"ok"
        lines = [request.line for request in upstream.requests]
        assert lines == [b"GET /healthz HTTP/1.1", b"GET /readyz HTTP/1.1"]


async def test_without_its_table_there_is_none() -> None:
    async with fronted() as (_, proxy):
        assert proxy.runtime.admin == ""


async def test_it_is_gone_when_the_proxy_is() -> None:
    async with RawUpstream() as upstream:
        async with proxied(upstream, **ADMIN) as proxy:
            address = proxy.admin
        with pytest.raises(ConnectionRefusedError):
            await RawClient.connect(address)
