"""What has been counted before another configuration is counted on."""

import json
from typing import Any

import pytest

from proxy.core.samples import Kind
from proxy.middleware.cache.cache import Cache
from proxy.middleware.coalesce.coalesce import Coalesce
from proxy.middleware.hedge.hedge import Hedge
from tests.support.client import ask
from tests.support.message import get, length
from tests.support.proxy import Proxy, fronted
from tests.support.scope import watched
from tests.support.upstream import Script

ADMIN = {"listen": "127.0.0.1:0"}
STORED: Script = [length(b"body", fields=b"Cache-Control: max-age=60\r\n")]
PRIVATE: Script = [length(b"body", fields=b"Cache-Control: private\r\n")]
HEDGE = {"delay": "1ms", "budget_percent": 100.0}
CACHE_ALL = {
    f"cache_{kind}": 1
    for kind in (
        *("hits", "stale", "revalidated", "misses", "collapsed", "stored"),
        *("hit_bytes", "lease_waits", "hit_age_seconds"),
    )
}
COALESCE_ALL = {"coalesce_calls": 1, "coalesce_joined": 1, "coalesce_bypassed": 1}
HEDGE_ALL = {f"hedge_copies_{what}": 1 for what in ("sent", "won", "over_budget")}
LABELS = ("route", "upstream", "endpoint")
OTHERS: list[dict[str, Any]] = [
    {"timeouts": {"idle": "9s"}},
    {"errors": {"details": True}},
    {"routes": [{"upstream": "api", "response_headers": {"remove": ["X-A"]}}]},
    {"routes": [{"upstream": "api"}, {"upstream": "api", "path": "/new"}]},
    {"upstream_options": {"servers": ["http://127.0.0.1:1"]}},
    {"cache": {"ttl": "9s"}, "coalesce": {"max_waiters": 9}, "hedge": {"delay": "p50"}},
]


def counters(proxy: Proxy, prefix: str, route: str = "/") -> dict[str, float]:
    """What is counted of a route in metrics that begin so."""
    return {
        each.name: each.value
        for each in proxy.runtime.describe()
        if each.kind is Kind.COUNTER and each.name.startswith(prefix)
        if each.labels.get("route") == route and isinstance(each.value, int)
    }


@pytest.mark.parametrize("tables", OTHERS, ids="-".join)
async def test_all_counters_of_a_route_go_on(tables: dict[str, Any]) -> None:
    async with fronted(admin=ADMIN, cache={}, coalesce={}, hedge=HEDGE) as (_, proxy):
        for cache in watched(proxy, Cache):
            cache.counts.update(name.removeprefix("cache_") for name in CACHE_ALL)
        for coalesce in watched(proxy, Coalesce):
            coalesce.counts.update(("calls", "joined"))
            coalesce.bypassed["private"] += 1
        for hedge in watched(proxy, Hedge):
            hedge.copies.update(("sent", "won", "over_budget"))
        counted = CACHE_ALL | COALESCE_ALL | HEDGE_ALL
        prefixes = ("cache_", "coalesce_", "hedge_")
        for _ in range(2):
            for prefix in prefixes:
                named = {name: 1 for name in counted if name.startswith(prefix)}
                assert counters(proxy, prefix) == named
            await proxy.reload(**tables)
            await proxy.reload()


@pytest.mark.parametrize(
    ("table", "script", "prefix", "before"),
    [
        (
            {"cache": {}},
            STORED,
            "cache_",
            {"cache_hits": 2, "cache_misses": 1, "cache_stored": 1, "cache_hit_bytes": 8},
        ),
        (
            {"coalesce": {}},
            PRIVATE,
            "coalesce_",
            {"coalesce_calls": 1, "coalesce_bypassed": 2},
        ),
        (
            {"hedge": HEDGE},
            [0.2, *PRIVATE],
            "hedge_",
            {"hedge_copies_sent": 2},
        ),
    ],
    ids=["cache", "coalesce", "hedge"],
)
async def test_requests_are_counted_on(
    table: dict[str, Any], script: Script, prefix: str, before: dict[str, int]
) -> None:
    retry = {"attempts": 1}
    async with fronted(script, admin=ADMIN, retry=retry, **table) as (_, proxy):
        for _ in range(3):
            assert (await proxy.ask(get())).body == b"body"
        told = {name: n for name, n in counters(proxy, prefix).items() if name in before}
        assert all(told[name] >= least for name, least in before.items())
        await proxy.reload(timeouts={"idle": "9s"})
        kept = counters(proxy, prefix)
        assert told == {name: n for name, n in kept.items() if name in before}
        assert (await proxy.ask(get())).body == b"body"
        assert sum(counters(proxy, prefix).values()) > sum(kept.values())


async def test_the_admin_api_tells_the_same() -> None:
    async with fronted(STORED, admin=ADMIN, cache={}, hedge=HEDGE) as (_, proxy):
        for _ in range(2):
            await proxy.ask(get())
        [hedge] = watched(proxy, Hedge)
        hedge.copies["won"] = 5
        await proxy.reload(errors={"details": True})
        cache = json.loads((await ask(proxy.admin, get("/api/cache"))).body)
        assert cache["routes"]["/"]["hits"] == 1
        [hedges] = json.loads((await ask(proxy.admin, get("/api/hedges"))).body)
        assert hedges["won"] == 5


async def test_what_a_route_counted_goes_with_it() -> None:
    """As of a rate limit: a series that is gone, and begins at 0 where the route is back."""
    both = [{"upstream": "api", "path": "/a"}, {"upstream": "api", "path": "/b"}]
    tables = {"cache": {}, "rate_limit": {"average": 0.001, "burst": 1}}
    async with fronted(STORED, admin=ADMIN, routes=both, **tables) as (_, proxy):
        for path in ("/a", "/b"):
            assert (await proxy.ask(get(path))).status == 200
            assert (await proxy.ask(get(path))).status == 429
        await proxy.reload(routes=both[1:])
        for prefix, name in (("cache_", "cache_misses"), ("rate_limit_", "rate_limit_refused")):
            assert counters(proxy, prefix, "/a") == {}
            assert counters(proxy, prefix, "/b")[name] == 1
        await proxy.reload(routes=both)
        for prefix, name in (("cache_", "cache_misses"), ("rate_limit_", "rate_limit_refused")):
            assert counters(proxy, prefix, "/a")[name] == 0
            assert counters(proxy, prefix, "/b")[name] == 1


async def test_what_was_counted_of_a_route_an_upstream_and_a_server_goes_with_them() -> None:
    """Hundreds of reloads, each with other names, made ``/metrics`` longer and longer."""
    async with fronted(admin=ADMIN) as (upstream, proxy):
        names: set[tuple[str, ...]] = set()
        for number in range(3):
            route = {"path": f"/r{number}", "upstream": f"u{number}"}
            others = [{"name": f"u{number}", "servers": [upstream.url]}]
            await proxy.reload(
                routes=[{"upstream": "api"}, route],
                upstreams=[*proxy.tables["upstreams"], *others],
            )
            for target in ("/", f"/r{number}"):
                assert (await proxy.ask(get(target))).status == 200
            samples = [each for each in proxy.runtime.describe() if each.kind is Kind.COUNTER]
            names = {tuple(each.labels.get(key, "") for key in LABELS) for each in samples}
        assert names & {("/", "api", ""), ("/r2", "u2", "")} == {
            ("/", "api", ""),
            ("/r2", "u2", ""),
        }
        assert {each for each in names if {"/r0", "/r1", "u0", "u1"} & set(each)} == set()
        assert counters(proxy, "requests")["requests"] == 3


async def test_what_was_usual_on_a_route_goes_with_it() -> None:
    async with fronted(admin=ADMIN) as (_, proxy):
        for target in ("/r0", "/r1"):
            await proxy.reload(routes=[{"upstream": "api"}, {"path": target, "upstream": "api"}])
            assert (await proxy.ask(get(target))).status == 200
            recorder = proxy.runtime._observation._recorder
            assert recorder is not None
            recorder.tick()
            usual = {*recorder._usual}
            assert target in usual
        assert "/r0" not in usual


async def test_routes_that_take_the_same_are_counted_once() -> None:
    """Both count in one place: each counter was shown twice, and added up."""
    routes = [{"upstream": "api"}, {"upstream": "api"}]
    options: dict[str, Any] = {"admin": ADMIN, "cache": {}, "coalesce": {}, "hedge": HEDGE}
    async with fronted(STORED, **options, routes=routes) as (_, proxy):
        for _ in range(2):
            assert (await proxy.ask(get())).status == 200
        shown = [(each.name, each.value) for each in proxy.runtime.describe()]
        for name in ("cache_hits", "cache_misses", "coalesce_calls"):
            assert [value for what, value in shown if what == name] == [1]
        assert len([name for name, _ in shown if name == "hedge_copies_sent"]) == 1
