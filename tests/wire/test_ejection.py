"""Servers that fail are left alone, and come back."""

import asyncio
import json
from time import monotonic
from typing import Any

import pytest

from tests.support.client import ask
from tests.support.message import CHUNKED_HEAD, OK, chunked, get, length, post
from tests.support.proxy import Proxy, proxied
from tests.support.upstream import HEALTHY, Connection, RawUpstream, Request, Script

SICK: Script = ["wait-body", length(b"sick", b"500 Sick")]
ONCE = {"retry": {"attempts": 1}}


def over(*servers: RawUpstream, **upstream: Any) -> dict[str, Any]:
    """One upstream of these servers, one attempt for each request, and an admin door."""
    urls = [server.url for server in servers]
    return {
        **ONCE,
        "admin": {"listen": "127.0.0.1:0"},
        "upstream_options": {
            "servers": urls,
            "load_balance": {"policy": "round_robin"},
            **upstream,
        },
    }


def breaker(failures: int = 3, **options: Any) -> dict[str, Any]:
    table = {"consecutive_failures": failures, "base_ejection_time": "60s"}
    return {"circuit_breaker": {**table, **options}}


def counts(*servers: RawUpstream) -> list[int]:
    return [len(server.requests) for server in servers]


async def burst(proxy: Proxy, times: int) -> list[int]:
    return [(await proxy.ask(get())).status for _ in range(times)]


async def breakers(proxy: Proxy) -> list[dict[str, Any]]:
    """Their state, as operators see it."""
    found: list[dict[str, Any]] = json.loads((await ask(proxy.admin, get("/api/breakers"))).body)
    return found


@pytest.mark.parametrize(
    "script",
    [
        ["wait-body", "rst"],
        ["wait-body", "fin"],
        ["wait-body", "hold"],
        SICK,
        [b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"],
    ],
    ids=["reset", "closed", "timeout", "500", "503"],
)
@pytest.mark.parametrize("request_", [get(), post(b"x")], ids=["get", "post"])
async def test_failures_in_a_row_eject_a_server(script: Script, request_: bytes) -> None:
    async with RawUpstream(script) as bad, RawUpstream() as good:
        patience = "700ms" if "hold" in script else "1m"
        options = over(bad, good) | breaker() | {"timeouts": {"first_byte": patience}}
        async with proxied(bad, **options) as proxy:
            for _ in range(16):
                await proxy.ask(request_)
            assert counts(bad, good) == [3, 13]
            states = {state["endpoint"]: state for state in await breakers(proxy)}
            assert states[bad.url]["state"] == "open"
            assert 50 < states[bad.url]["for_s"] <= 60
            assert states[good.url]["state"] == "closed"


async def test_a_success_in_between_begins_the_count_anew() -> None:
    async with (
        RawUpstream(SICK, SICK, HEALTHY, SICK, SICK, HEALTHY) as server,
        proxied(server, **over(server), **breaker()) as proxy,
    ):
        assert await burst(proxy, 6) == [500, 500, 200, 500, 500, 200]


async def test_replies_that_break_eject_a_server_too() -> None:
    cut: Script = [CHUNKED_HEAD + chunked(b"x", end=b""), 0.01, "rst"]
    async with (
        RawUpstream(cut) as bad,
        RawUpstream() as good,
        proxied(bad, **over(bad, good), **breaker()) as proxy,
    ):
        for _ in range(16):
            await proxy.ask(get())
        assert counts(bad, good) == [3, 13]


async def test_without_another_server_the_client_is_told_when_to_come_again() -> None:
    async with RawUpstream(SICK) as server, proxied(server, **over(server), **breaker()) as proxy:
        assert await burst(proxy, 3) == [500] * 3
        response = await proxy.ask(get())
        told = response.value("Proxy-Status")
        assert (response.status, told) == (503, b"sidecar-proxy; error=destination_unavailable")
        assert 50 < int(response.value("Retry-After") or 0) <= 60
        assert counts(server) == [3]
        assert (await proxy.record(3)).record.attempt_count == 0


async def test_one_trial_at_a_time_brings_a_server_back() -> None:
    gate = asyncio.Event()
    async with (
        RawUpstream(SICK, [gate, OK]) as server,
        proxied(server, **over(server), **breaker(1, base_ejection_time="1h")) as proxy,
    ):
        assert await burst(proxy, 1) == [500]
        [(_, _, ejected)] = proxy.tree._targets[0].now.by_endpoint.values()
        assert ejected is not None
        ejected.until = 0.0  # the hour is over; a trial keeps others out for as long
        trial = asyncio.ensure_future(proxy.ask(get()))
        await server.until(lambda: len(server.requests) == 2)
        assert await burst(proxy, 3) == [503] * 3
        gate.set()
        assert [(await trial).status, *await burst(proxy, 3), *counts(server)] == [*[200] * 4, 5]


async def test_a_trial_that_fails_is_followed_by_a_longer_rest() -> None:
    async with RawUpstream(SICK) as server:
        options = breaker(1, base_ejection_time="1s")
        async with proxied(server, **over(server), **options) as proxy:
            assert await burst(proxy, 1) == [500]
            status = 503
            async with asyncio.timeout(30):
                while status == 503:
                    await asyncio.sleep(0.02)
                    [status] = await burst(proxy, 1)
            assert [status, *await burst(proxy, 1)] == [500, 503]
            [state] = await breakers(proxy)
            assert (state["ejections"], state["state"]) == (2, "open")
            assert 1 < state["for_s"] <= 2


async def test_a_client_that_leaves_during_a_trial_frees_its_place() -> None:
    async with RawUpstream(SICK, ["hold"], HEALTHY) as server:
        options = breaker(1, base_ejection_time="20ms")
        async with proxied(server, **over(server), **options) as proxy:
            assert await burst(proxy, 1) == [500]
            await asyncio.sleep(0.03)
            async with await proxy.connect() as client:
                await client.send(get())
                await server.until(lambda: len(server.requests) == 2)
            await server.connections[-1].closed.wait()
            assert await burst(proxy, 2) == [200, 200]


@pytest.mark.parametrize(("percent", "out"), [(0, 1), (50, 2), (100, 4)])
async def test_only_a_share_of_the_servers_is_out_at_a_time(percent: float, out: int) -> None:
    async with (
        RawUpstream(SICK) as a,
        RawUpstream(SICK) as b,
        RawUpstream(SICK) as c,
        RawUpstream(SICK) as d,
        proxied(a, **over(a, b, c, d), **breaker(1, max_ejection_percent=percent)) as proxy,
    ):
        await burst(proxy, 16)
        assert sum(state["state"] == "open" for state in await breakers(proxy)) == out
        assert counts(a, b, c, d).count(1) == out


async def test_a_route_does_not_suffer_for_another() -> None:
    """What is slow for one route may be quick for the next."""
    routes = [{"upstream": "api", "path": "/bad"}, {"upstream": "api", "path": "/good"}]
    async with RawUpstream(SICK, HEALTHY) as server:
        options = over(server) | breaker(1) | {"routes": routes}
        async with proxied(server, **options) as proxy:
            statuses = [
                (await proxy.ask(get(path))).status for path in ("/bad", "/bad", "/good", "/good")
            ]
            assert statuses == [500, 503, 200, 200]


CHECK = {"path": "/health", "interval": "20ms", "timeout": "700ms"}


def checked(*servers: RawUpstream, **options: Any) -> dict[str, Any]:
    return over(*servers, health_check={**CHECK, "unhealthy_threshold": 2, **options})


def requests(server: RawUpstream) -> int:
    """Those that are no checks."""
    return sum(b"/health" not in request.line for request in server.requests)


async def healthy(proxy: Proxy) -> list[bool]:
    state = json.loads((await ask(proxy.admin, get("/api/upstreams"))).body)
    return [server["healthy"] for server in state["api"]]


@pytest.mark.parametrize("script", [["rst"], ["hold"], SICK], ids=["reset", "timeout", "500"])
async def test_a_server_that_fails_its_checks_gets_no_requests(script: Script) -> None:
    async with (
        RawUpstream(script) as bad,
        RawUpstream() as good,
        proxied(bad, **checked(bad, good)) as proxy,
    ):
        await bad.until(lambda: len(bad.requests) >= 3)
        assert await healthy(proxy) == [False, True]
        assert await burst(proxy, 6) == [200] * 6
        assert (requests(bad), requests(good)) == (0, 6)
        bad.play(HEALTHY)
        before = len(bad.requests)
        await bad.until(lambda: len(bad.requests) >= before + 4)
        assert await healthy(proxy) == [True, True]
        assert await burst(proxy, 6) == [200] * 6
        assert requests(bad) == 3


async def test_without_a_healthy_server_requests_are_refused() -> None:
    async with RawUpstream(["fin"]) as server, proxied(server, **checked(server)) as proxy:
        await server.until(lambda: len(server.requests) >= 3)
        response = await proxy.ask(get())
        told = response.value("Proxy-Status")
        assert (response.status, told) == (503, b"sidecar-proxy; error=destination_unavailable")
        assert response.value("Retry-After") == b"1"
        assert requests(server) == 0


async def test_a_check_asks_for_its_path_and_is_no_exchange() -> None:
    async with RawUpstream() as server, proxied(server, **checked(server)) as proxy:
        await server.until(lambda: len(server.requests) >= 3)
        assert server.requests[0].line == b"GET /health HTTP/1.1"
        assert server.requests[0].head.value("Host") == server.url.removeprefix("http://").encode()
        assert proxy.records == []
        assert len(server.connections) == 1  # they use connections again


async def test_a_server_at_its_limit_is_not_taken_for_a_sick_one() -> None:
    async def answer(connection: Connection, request: Request) -> None:
        if b"/health" in request.line:
            await connection.send(OK)
        else:
            await connection.closed.wait()

    async with RawUpstream([answer]) as server:
        options = checked(server)
        options["upstream_options"]["limit"] = 1
        async with proxied(server, **options) as proxy, await proxy.connect() as client:
            await client.send(get())
            await server.until(lambda: requests(server) == 1)
            before = len(server.requests)
            await server.until(lambda: len(server.requests) > before)
            assert await healthy(proxy) == [True]


async def test_checks_end_with_the_proxy() -> None:
    async with RawUpstream() as server:
        async with proxied(server, **checked(server)):
            await server.until(lambda: len(server.requests) >= 2)
        before = len(server.requests)
        await asyncio.sleep(0.06)
        assert len(server.requests) == before
        assert all(connection.closed.is_set() for connection in server.connections)
        assert {task.get_name() for task in asyncio.all_tasks()} == {
            current.get_name() if (current := asyncio.current_task()) else ""
        }


async def test_a_server_that_is_back_starts_slowly() -> None:
    async with RawUpstream(SICK) as a, RawUpstream() as b:
        options = checked(a, b, healthy_threshold=1)
        options["upstream_options"]["load_balance"] = {"policy": "round_robin", "slow_start": "1h"}
        async with proxied(a, **options) as proxy:
            back, other = proxy.tree.endpoints["api"].members
            await a.until(lambda: not back.healthy)
            for each in (back, other):  # by now both would have their full weight
                each.available_since -= 3600
            a.play(HEALTHY)
            await a.until(lambda: back.healthy)
            assert await burst(proxy, 20) == [200] * 20
            assert 0 < requests(a) <= 7
            back.available_since -= 3600
            began = requests(a)
            assert await burst(proxy, 20) == [200] * 20
            assert requests(a) - began == 10


async def test_where_all_requests_have_one_try_a_server_comes_back_too() -> None:
    """Requests that may be repeated make the trials, but not for ever."""
    sick: Script = ["wait-body", length(b"sick", b"500 Sick")]
    breaker = {"consecutive_failures": 1, "base_ejection_time": "20ms"}
    async with RawUpstream(sick, HEALTHY) as one, RawUpstream() as other:
        options = {**over(one, other), "retry": {}, "circuit_breaker": breaker}
        async with proxied(one, **options) as proxy:
            began = monotonic()
            for _ in range(4):
                await proxy.ask(post(b"x"))
            assert len(one.requests) == 1 or monotonic() - began > 1  # on a very slow machine
            await asyncio.sleep(1.1)
            for _ in range(4):
                await proxy.ask(post(b"x"))
            assert len(one.requests) > 1
