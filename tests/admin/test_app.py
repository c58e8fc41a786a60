"""What operators are told."""

import json
from typing import Any

import pytest

from tests.support.client import ask
from tests.support.message import get, length, post
from tests.support.proxy import Proxy, proxied
from tests.support.upstream import HEALTHY, RawUpstream, Script

BUSY: Script = ["wait-body", length(b"busy", b"503 Busy", b"Retry-After: 20\r\n")]


def options(*servers: RawUpstream) -> dict[str, Any]:
    return {
        "admin": {"listen": "127.0.0.1:0"},
        "upstream_options": {
            "servers": [server.url for server in servers],
            "load_balance": {"policy": "round_robin"},
        },
        "retry": {"on": ["503"], "backoff_base": "1ms"},
        "circuit_breaker": {"consecutive_failures": 1},
    }


PARTS = [
    "upstreams",
    "streams",
    "concurrency",
    "hedges",
    "rate_limits",
    "cache",
    "coalesce",
    "budgets",
    "breakers",
    "reload",
    "credentials",
    "tunnels",
    "workers",
    "counters",
]


async def told(proxy: Proxy, part: str) -> Any:
    response = await ask(proxy.admin, get(f"/api/{part}"))
    assert response.status == 200
    assert (response.value("Content-Type") or b"").startswith(b"application/json")
    return json.loads(response.body)


async def test_state_says_how_everything_is_doing() -> None:
    async with (
        RawUpstream(BUSY) as a,
        RawUpstream(HEALTHY) as b,
        proxied(a, **options(a, b)) as proxy,
    ):
        for _ in range(3):
            assert (await proxy.ask(get())).status == 200
        state = await told(proxy, "state")
        assert list(state) == PARTS
        first, second = state["upstreams"]["api"]
        assert (first["endpoint"], second["endpoint"]) == (a.url, b.url)
        assert (first["outcomes"], second["outcomes"]) == ({"503": 1}, {"200": 3})
        assert 15 < first["paused_s"] <= 20
        assert (first["in_flight"], second["in_flight"]) == (0, 0)
        assert (second["connections"], second["healthy"], second["weight"]) == (1, True, 1)
        [budget] = state["budgets"]
        assert (budget["upstream"], budget["requests"], budget["spent"]) == ("api", 3, 1)
        assert (budget["available"], budget["refused"]) == (29, 0)
        assert [each["state"] for each in state["breakers"]] == ["open", "closed"]
        assert {each["route"] for each in state["breakers"]} == {"/"}
        assert state["counters"] == {"/": {"requests": 3, "attempts": 4, "retry 503": 1}}


@pytest.mark.parametrize("part", ["upstreams", "budgets", "breakers", "counters"])
async def test_each_part_can_be_asked_for(part: str) -> None:
    async with RawUpstream() as upstream, proxied(upstream, **options(upstream)) as proxy:
        assert await told(proxy, part) == (await told(proxy, "state"))[part]


@pytest.mark.parametrize("alone", [True, False])
async def test_what_is_in_flight_is_told(alone: bool) -> None:
    hold: Script = [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123", "hold"]
    upstream = RawUpstream(hold)
    given: dict[str, Any] = {"admin": {"listen": "127.0.0.1:0"}}
    if not alone:  # with a breaker attempts are counted
        given["circuit_breaker"] = {}
    async with upstream, proxied(upstream, **given) as proxy:
        async with await proxy.connect() as client:
            await client.send(get())
            await client.read_until(b"123")
            [server] = (await told(proxy, "upstreams"))["api"]
            assert (server["in_flight"], server["connections"]) == (1, 1)
        await upstream.until(upstream.connections[0].closed.is_set)
        [server] = (await told(proxy, "upstreams"))["api"]
        assert (server["in_flight"], server["connections"]) == (0, 0)


async def test_a_part_that_is_none_says_which_there_are() -> None:
    async with RawUpstream() as upstream, proxied(upstream, **options(upstream)) as proxy:
        response = await ask(proxy.admin, get("/api/nothing"))
        assert response.status == 404
        error = json.loads(response.body)["error"]
        assert error.startswith(
            f"there is state, {', '.join(PARTS)}, exchanges, exchanges/{{id}}, "
        )
        known = error.removeprefix("there is ").split(", ")
        others = {"history", "causes", "configuration", "explain", "drain", "log", "live"}
        assert others | {"servers/drain", "openapi.json"} <= set(known)
        assert len(set(known)) == len(known)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("drain", b"POST"), ("servers/drain", b"POST"), ("history", b"GET,HEAD")],
)
async def test_another_method_is_told_from_what_there_is_not(path: str, allowed: bytes) -> None:
    async with RawUpstream() as upstream, proxied(upstream, **options(upstream)) as proxy:
        asked = b"%b /api/%b HTTP/1.1\r\nHost: proxy.test\r\n\r\n"
        method = b"GET" if allowed == b"POST" else b"DELETE"
        response = await ask(proxy.admin, asked % (method, path.encode()))
        assert (response.status, response.value("Allow")) == (405, allowed)


async def test_nothing_can_be_changed() -> None:
    async with RawUpstream() as upstream, proxied(upstream, **options(upstream)) as proxy:
        assert (await ask(proxy.admin, post(b"{}", "/api/state"))).status == 405


async def test_clients_are_told_nothing() -> None:
    async with RawUpstream() as upstream, proxied(upstream, **options(upstream)) as proxy:
        assert (await proxy.ask(get("/api/state"))).body == b"ok"
