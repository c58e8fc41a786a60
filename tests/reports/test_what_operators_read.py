"""What the admin listener shows of servers is measured, with one server as with several."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.client import ask
from tests.support.message import get, length
from tests.support.proxy import Proxy, proxied
from tests.support.upstream import RawUpstream

ADMIN = {"listen": "127.0.0.1:0"}
OK = length(b"ok")


async def servers(proxy: Proxy) -> list[dict[str, Any]]:
    state: list[dict[str, Any]] = json.loads((await ask(proxy.admin, get("/api/upstreams"))).body)[
        "api"
    ]
    return state


async def test_one_server_has_outcomes_and_a_latency() -> None:
    upstream = RawUpstream([0.02, OK], [0.02, length(b"", b"404 Not Found")], ["wait-body", "fin"])
    async with upstream, proxied(upstream, admin=ADMIN, retry=False) as proxy:
        assert (await servers(proxy))[0]["latency_ms"] is None
        for _ in range(3):
            await proxy.ask(get())
        await proxy.record(2)
        [server] = await servers(proxy)
        # As `[retry] on` calls it: the connection of the two before was closed without a byte.
        assert server["outcomes"] == {"200": 1, "404": 1, "stale-connection": 1}
        assert server["latency_ms"] >= 15


@pytest.mark.parametrize("table", [{}, {"policy": "peak_ewma"}, {"policy": "least_request"}])
async def test_a_server_that_refuses_connections_has_no_latency_of_days(
    table: dict[str, str], unused_tcp_port: int
) -> None:
    gone = f"http://127.0.0.1:{unused_tcp_port}"
    async with RawUpstream([OK]) as upstream:
        tables = {
            "upstream_options": {"servers": [gone, upstream.url], "load_balance": table},
            "retry": {"backoff_base": "1ms"},
        }
        async with proxied(upstream, admin=ADMIN, **tables) as proxy:
            for _ in range(24):
                assert (await proxy.ask(get())).status == 200
            away, well = await servers(proxy)
            assert away["latency_ms"] is None
            assert away["outcomes"]["connect-failure"] > 0
            assert 0 < well["latency_ms"] < 10_000
            assert well["outcomes"] == {"200": 24}


@pytest.mark.parametrize("outcomes", [["wait-body", "fin"], ["wait-body", "rst"]])
async def test_retries_are_counted_with_one_server(outcomes: Sequence[Any]) -> None:
    upstream = RawUpstream(list(outcomes), [OK])
    tables = {"retry": {"on": ["reset"], "backoff_base": "1ms"}, "admin": ADMIN}
    async with upstream, proxied(upstream, **tables) as proxy:
        assert (await proxy.ask(get())).status == 200
        await proxy.record()
        [server] = await servers(proxy)
        assert server["outcomes"] == {"reset": 1, "200": 1}
