"""What routes have learnt outlives a change of their options, as far as it still means the same."""

from collections.abc import Callable
from typing import Any

import pytest

from proxy.middleware.hedge.hedge import Hedge
from proxy.middleware.per_try import AttemptClock
from proxy.middleware.retry.stalled import StalledAttempts
from tests.support.message import get
from tests.support.proxy import Proxy, fronted
from tests.support.scope import watched
from tests.support.upstream import HEALTHY


def hedge_delay(proxy: Proxy) -> float | None:
    (hedge,) = watched(proxy, Hedge)
    return hedge.delay(hedge.clock())


def attempt_bound(proxy: Proxy) -> float | None:
    things = proxy.tree.shared._things
    (clock,) = [thing for thing in things.values() if isinstance(thing, AttemptClock)]
    return clock.seconds if clock.seconds < float("inf") else None


def patience(proxy: Proxy) -> float | None:
    (stalled,) = watched(proxy, StalledAttempts)
    return stalled._chance.patience.seconds(stalled._clock())


def lose_patience(proxy: Proxy) -> None:
    (stalled,) = watched(proxy, StalledAttempts)
    for _ in range(8):
        stalled._chance.patience.left(3.0, stalled._clock())


Known = Callable[[Proxy], float | None]
KINDS = [
    ({"hedge": {}}, hedge_delay),
    ({"timeouts": {"per_try": "auto"}}, attempt_bound),
    ({}, patience),
]


@pytest.mark.parametrize(("tables", "known"), KINDS)
async def test_what_is_usual_is_known_after_a_reload_that_changes_the_route(
    tables: dict[str, Any], known: Known
) -> None:
    async with fronted(HEALTHY, **tables) as (_, proxy):
        assert known(proxy) is None
        async with await proxy.connect() as client:
            for _ in range(20):
                assert (await client.ask(get())).status == 200
        if known is patience:
            lose_patience(proxy)
        assert (before := known(proxy)) is not None
        await proxy.reload(**{**tables, "errors": {"format": "text"}})
        assert known(proxy) == before


@pytest.mark.parametrize(("tables", "known"), KINDS[:2])
async def test_what_is_usual_of_another_route_says_nothing(
    tables: dict[str, Any], known: Known
) -> None:
    async with fronted(HEALTHY, **tables) as (_, proxy):
        async with await proxy.connect() as client:
            for _ in range(20):
                assert (await client.ask(get())).status == 200
        await proxy.reload(routes=[{"path": "/reports", "upstream": "api"}], **tables)
        assert known(proxy) is None


async def test_copies_that_were_saved_are_there_after_a_reload_but_not_with_another_budget() -> (
    None
):
    async with fronted(HEALTHY, hedge={}) as (_, proxy):
        async with await proxy.connect() as client:
            for _ in range(40):
                assert (await client.ask(get())).status == 200
        (hedge,) = watched(proxy, Hedge)
        saved = hedge._budget
        await proxy.reload(hedge={"max": 2})
        (hedge,) = watched(proxy, Hedge)
        assert hedge._budget is saved
        await proxy.reload(hedge={"budget_percent": 1})
        (hedge,) = watched(proxy, Hedge)
        assert hedge._budget is not saved


async def test_a_server_that_is_reached_in_another_way_is_left_alone_as_it_has_asked() -> None:
    busy = b"HTTP/1.1 429 No\r\nRetry-After: 40\r\nContent-Length: 0\r\n\r\n"
    table: dict[str, Any] = {"rate_limit": {}}
    async with fronted((busy,), HEALTHY, **table) as (upstream, proxy):
        async with await proxy.connect() as client:
            assert (await client.ask(get())).status == 429
        upstream_options = {"servers": [upstream.url], "keepalive_timeout": "7s"}
        await proxy.reload(upstream_options=upstream_options, **table)
        async with await proxy.connect() as client:
            assert (await client.ask(get())).status == 429
        assert len(upstream.requests) == 1
