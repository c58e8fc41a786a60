"""Another configuration while requests, streams, tunnels and waiters are under way."""

import asyncio
import json
from typing import Any

import pytest

from proxy.run.reasons import CannotReload
from tests.support.client import ask
from tests.support.message import OK, chunked, get, length, post
from tests.support.peer import echo
from tests.support.proxy import Proxy, dialled, fronted, proxied
from tests.support.tunnel import tunnel
from tests.support.upstream import HEALTHY, PATIENCE, RawUpstream, Script

EVENTS_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
OPTIONS = b"GET /api/configuration HTTP/1.1\r\nHost: proxy.test\r\n\r\n"
NO: Script = ["wait-body", length(b"no", b"500 No")]


async def ended(proxy: Proxy) -> None:
    """Wait for all generations but the current one to end."""
    async with asyncio.timeout(PATIENCE):
        while proxy.runtime._generations.before:  # noqa: ASYNC110  (nobody tells)
            await asyncio.sleep(0.001)


async def test_what_is_in_flight_ends_as_it_began_and_what_follows_is_served_anew() -> None:
    answer = asyncio.Event()
    async with (
        RawUpstream([answer, OK]) as old,
        RawUpstream(HEALTHY) as new,
        proxied(old) as proxy,
        await proxy.connect() as client,
    ):
        await client.send(post(b"x"))
        await old.until(lambda: len(old.requests) == 1)
        report = await proxy.reload(
            upstreams=[{"name": "new", "servers": [new.url]}], routes=[{"upstream": "new"}]
        )
        assert "upstream new" in report.added
        assert "upstream api" in report.removed
        assert "route / (upstream)" in report.changed
        assert (await proxy.ask(get())).status == 200
        assert len(new.requests) == 1
        assert len(proxy.runtime._generations.before) == 1
        answer.set()
        assert (await client.receive()).status == 200
        assert len(old.requests) == 1
        await ended(proxy)
        assert (await client.ask(get())).status == 200  # the same connection, the new generation
        assert len(new.requests) == 2


async def elsewhere(proxy: Proxy, url: str) -> None:
    """Three reloads after which nothing is as it was."""
    for number in range(3):
        await proxy.reload(
            upstreams=[{"name": f"other-{number}", "servers": [url]}],
            routes=[{"upstream": f"other-{number}", "path": f"/{number}"}],
        )


async def test_a_stream_of_events_goes_on() -> None:
    more = asyncio.Event()
    stream: Script = [EVENTS_HEAD, chunked(b"data: a\n\n", end=b""), more, chunked(b"data: b\n\n")]
    async with dialled(stream) as (upstream, proxy, client):
        await client.send(get())
        await client.read_until(b"data: a\n\n")
        await elsewhere(proxy, upstream.url)
        assert len(proxy.runtime._generations.before) == 1  # those between had nothing to do
        more.set()
        await client.read_until(b"data: b\n\n")
        await ended(proxy)


async def test_a_tunnel_goes_on() -> None:
    async with tunnel(echo) as (client, peer, proxy):
        await elsewhere(proxy, peer.url)
        await client.send(b"ping")
        await client.read_until(b"ping")
        client.close()
        await ended(proxy)


async def test_a_bad_address_changes_nothing() -> None:
    async with fronted(HEALTHY) as (upstream, proxy):
        taken = upstream.url.removeprefix("http://")
        with pytest.raises(CannotReload, match="is taken"):
            await proxy.reload(
                server={"listen": ["127.0.0.1:0", taken]},
                routes=[{"upstream": "api", "path": "/other"}],
            )
        assert (await proxy.ask(get())).status == 200
        assert not proxy.runtime._generations.before


@pytest.mark.parametrize(
    "tables",
    [
        {"routes": [{"upstream": "api", "timeouts": {"idle": "1s"}}]},
        {"routes": [{"upstream": "api"}, {"upstream": "api", "path": "/other"}]},
        {"server": {"listen": "127.0.0.1:0", "max_body": "1KiB"}},
    ],
    ids=["route", "another-route", "server"],
)
async def test_connections_and_breakers_outlive_a_reload(tables: dict[str, Any]) -> None:
    async with (
        RawUpstream(HEALTHY) as a,
        RawUpstream(NO) as b,
        proxied(
            a,
            upstream_options={"servers": [a.url, b.url]},
            circuit_breaker={"consecutive_failures": 1, "base_ejection_time": "1h"},
            retry=False,
        ) as proxy,
    ):
        while not (a.requests and b.requests):
            await proxy.ask(get())
        await proxy.reload(**tables)
        await ended(proxy)
        assert [(await proxy.ask(get())).status for _ in range(4)] == [200] * 4
        assert len(a.connections) == 1
        assert len(b.requests) == 1


async def test_servers_that_stay_keep_their_breakers_where_others_come_and_go() -> None:
    async with (
        RawUpstream(HEALTHY) as a,
        RawUpstream(NO) as b,
        RawUpstream(HEALTHY) as c,
        proxied(
            a,
            upstream_options={"servers": [a.url, b.url]},
            circuit_breaker={"consecutive_failures": 1, "base_ejection_time": "1h"},
            retry=False,
        ) as proxy,
    ):
        while not (a.requests and b.requests):
            await proxy.ask(get())
        report = await proxy.reload(upstream_options={"servers": [c.url, b.url]})
        assert f"server {c.url} of upstream api" in report.added
        assert f"server {a.url} of upstream api" in report.removed
        assert f"server {b.url} of upstream api" in report.kept
        assert [(await proxy.ask(get())).status for _ in range(4)] == [200] * 4
        assert (len(b.requests), len(c.requests)) == (1, 4)  # it still is left alone


async def test_a_stream_that_a_client_has_lost_is_resumed_after_a_reload() -> None:
    head = EVENTS_HEAD
    more = asyncio.Event()
    script: Script = [head, chunked(b"id: 1\ndata: a\n\n", end=b""), more, chunked(b"id: 2\n\n")]
    async with fronted(script, stream={"resume": "1h"}) as (upstream, proxy):
        request = get(fields=b"Cookie: a=b\r\n")
        async with await proxy.connect() as client:
            await client.send(request)
            await client.read_until(b"data: a")
        await proxy.record()
        report = await proxy.reload(stream={"resume": "1h"}, timeouts={"total": "2h"})
        assert report.changed == ["route / (timeouts.total)"]
        async with await proxy.connect() as client:
            await client.send(get(fields=b"Cookie: a=b\r\nLast-Event-ID: 1\r\n"))
            more.set()
            assert (await client.receive()).body == b"id: 2\n\n"
        assert len(upstream.requests) == 1


async def test_only_addresses_that_changed_are_opened_and_closed(tmp_path: Any) -> None:
    socket = f"unix:{tmp_path}/proxy.sock"
    async with dialled(HEALTHY) as (_, proxy, client):
        before = proxy.runtime.http
        report = await proxy.reload(server={"listen": ["127.0.0.1:0", socket]})
        assert report.added == [f"listener {socket}"]
        assert proxy.runtime.http == [*before, socket]
        assert (await ask(socket.removeprefix("unix:"), get())).status == 200
        report = await proxy.reload(server={"listen": ["127.0.0.1:0", "127.0.0.2:0"]})
        assert report.added == [f"listener 127.0.0.2:0 ({proxy.runtime.http[1]})"]
        report = await proxy.reload(server={"listen": "127.0.0.1:0"})
        assert report.removed == ["listener 127.0.0.2:0"]
        assert proxy.runtime.http == before
        assert not (tmp_path / "proxy.sock").exists()
        assert (await client.ask(get())).status == 200


async def test_rules_of_the_listener_apply_to_connections_that_stand() -> None:
    async with dialled(HEALTHY) as (upstream, proxy, client):
        for _ in range(2):
            assert (await client.ask(get())).status == 200
        assert upstream.requests[-1].head.values("Via")
        await proxy.reload(server={"listen": "127.0.0.1:0", "via": False, "max_body": "1B"})
        for _ in range(2):
            assert (await client.ask(get())).status == 200
            assert not upstream.requests[-1].head.values("Via")
        assert (await client.ask(post(b"xx"))).status == 413


async def test_operators_reload_by_the_admin_listener(quiet: list[str]) -> None:
    async with fronted(HEALTHY, admin={"listen": "127.0.0.1:0"}) as (_, proxy):
        request = post(b"", target="/api/reload")
        proxy.text += "[timeouts]\nidle = '7m'\n"
        response = await ask(proxy.admin, request)
        assert response.status == 200
        told = json.loads(response.body)
        assert told["reloaded"] is True
        assert told["changed"] == ["route / (timeouts.idle)"]
        proxy.text = proxy.text.replace("idle", "idel")
        response = await ask(proxy.admin, request)
        assert response.status == 409
        told = json.loads(response.body)
        assert told["reloaded"] is False
        assert "did you mean 'idle'?" in told["problems"][0]
        assert told["problems"][0] in quiet[0]
        quiet.clear()
        state = json.loads((await ask(proxy.admin, get("/api/reload"))).body)
        assert (state["reloads"], state["refused"], state["last"]) == (1, 1, "refused")
        assert state["problems"] == told["problems"]
        assert (await ask(proxy.admin, get("/readyz"))).status == 200
        assert (await proxy.ask(get())).status == 200


async def test_the_admin_listener_comes_moves_and_goes() -> None:
    async with fronted(HEALTHY) as (_, proxy):
        report = await proxy.reload(admin={"listen": "127.0.0.1:0", "hosts": ["proxy.test"]})
        first = proxy.admin
        assert report.added == [f"[admin] (listen {proxy.runtime.admin})"]
        assert (await ask(first, get("/readyz"))).status == 200
        await proxy.reload(admin={"listen": "127.0.0.1:0"})
        assert proxy.admin == first
        assert (await ask(first, get("/readyz"))).status == 403  # the name is no more
        await proxy.reload(admin={"listen": "localhost:0", "hosts": ["proxy.test"]})
        assert proxy.admin != first
        assert (await ask(proxy.admin, get("/readyz"))).status == 200
        with pytest.raises(ConnectionRefusedError):
            await ask(first, get("/readyz"))
        await proxy.reload()
        assert proxy.runtime.admin == ""


async def test_a_restart_is_due_until_the_file_says_again_what_runs() -> None:
    two = {"listen": "127.0.0.1:0", "workers": 2}
    async with fronted(admin={"listen": "127.0.0.1:0"}) as (_, proxy):
        for _ in range(2):
            report = await proxy.reload(server=two)
            assert report.restart == ["[server] workers"]
            assert str(report).startswith("needs a restart: [server] workers")
            options = await ask(proxy.admin, OPTIONS)
            assert json.loads(options.body)["server"]["workers"] == 1
        assert not (await proxy.reload(server={**two, "workers": 1})).restart


@pytest.mark.parametrize("later", [{"policy": "round_robin"}, {"min_share": 100}])
async def test_a_policy_that_does_not_weigh_forgets_who_is_slow(later: dict[str, Any]) -> None:
    async with (
        RawUpstream(HEALTHY) as one,
        RawUpstream(HEALTHY) as other,
        proxied(one, upstream_options={"servers": [one.url, other.url]}) as proxy,
    ):
        (members,) = [each.members for each in proxy.tree.endpoints.values()]
        members[0].share = 0.01
        await proxy.reload(load_balance=later)
        async with await proxy.connect() as client:
            for _ in range(20):
                assert (await client.ask(get())).status == 200
        assert members[0].weight == members[0].full_weight == 1.0
