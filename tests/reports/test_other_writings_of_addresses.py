"""One address is one client, one trusted proxy and one host, however it is written.

Reported for listeners on ``[::]`` and proxies in front that write IPv4 addresses as IPv6: a CIDR
that was never met, and a rate limit for each way of writing.
"""

import pytest

from tests.support.message import get, length
from tests.support.proxy import fronted, proxied
from tests.support.upstream import RawUpstream

ALIKE = [
    ["192.0.2.7", "192.0.2.7:81", "::ffff:192.0.2.7", "::FFFF:C000:0207", "[::ffff:192.0.2.7]:82"],
    ["2001:db8::1", "2001:DB8:0:0::1", "[2001:db8::1]", "2001:db8:0:0:0:0:0:1", "[2001:db8::1]:4"],
]


@pytest.mark.parametrize("writings", ALIKE, ids=["IPv4", "IPv6"])
async def test_a_client_has_one_share(writings: list[str]) -> None:
    options = {
        "server": {"trusted_proxies": ["127.0.0.0/8"]},
        "rate_limit": {"average": 1, "period": "1h", "burst": 1, "key": "client_addr"},
    }
    async with fronted(**options) as (_, proxy):
        for number, writing in enumerate(writings):
            response = await proxy.ask(get("/", f"X-Forwarded-For: {writing}\r\n".encode()))
            assert response.status == (429 if number else 200), writing


@pytest.mark.parametrize("trusted", ["127.0.0.0/8", "::ffff:127.0.0.0/104", "::ffff:7f00:1"])
async def test_a_trusted_proxy_is_believed(trusted: str) -> None:
    server = {"trusted_proxies": [trusted]}
    async with fronted(server=server) as (_, proxy):
        assert (await proxy.ask(get("/", b"X-Forwarded-For: 192.0.2.7\r\n"))).status == 200
        assert (await proxy.record()).client == "192.0.2.7"


@pytest.mark.parametrize(
    ("written", "host", "taken"),
    [
        ("api.test", b"API.test.:8080", True),
        ("API.Test.", b"api.test", True),
        ("api.test", b"xapi.test", False),
        ("*.api.test", b"A.B.Api.Test.", True),
        ("*.api.test", b"api.test", False),
        ("[::1]", b"[0:0:0:0:0:0:0:1]", True),
        ("[2001:DB8:0::1]", b"[2001:db8::1]:80", True),
        ("[::1]", b"[::2]", False),
    ],
)
async def test_a_route_takes_its_host(written: str, host: bytes, taken: bool) -> None:
    async with RawUpstream([length(b"its")]) as its, RawUpstream([length(b"other")]) as other:
        routes = [{"host": written, "upstream": "api"}, {"upstream": "other"}]
        others = [{"name": "other", "servers": [other.url]}]
        async with proxied(its, routes=routes, others=others) as proxy:
            assert (await proxy.ask(get(host=host))).body == (b"its" if taken else b"other")
