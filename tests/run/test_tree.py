"""What a configuration is built into."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from proxy.admin.state import state
from proxy.core.exchange import Handler
from proxy.core.shared import Shared
from proxy.middleware.load_balance.targets import TargetSet
from proxy.run.scopes import scope_of
from proxy.run.tree import Tree
from proxy.upstream.session import Session
from tests.support.loop import JumpingLoop, get
from tests.support.proxy import parsed, toml

ONE = ["http://10.0.0.1"]
TWO = ["http://10.0.0.1", "http://10.0.0.2"]


@asynccontextmanager
async def tree(servers: list[str], **tables: Any) -> AsyncIterator[Tree]:
    """What is built of one upstream with these servers, and of a second one."""
    options = tables.pop("upstream_options", {})
    text = toml(
        {
            **tables,
            "upstreams": [
                {"name": "api", "servers": servers, **options},
                {"name": "b", "servers": ONE},
            ],
            "routes": tables.get("routes", [{"upstream": "api"}]),
        }
    )
    async with Session() as session:
        built = Tree(parsed(text), session, random.Random(1)).build()
        built.open()
        try:
            yield built
        finally:
            await built.close()


def chain(handler: Handler) -> list[str]:
    """The middlewares of a chain, from the top, of one server where there are several."""
    names = []
    while True:
        link: Any = getattr(handler, "__self__", None)
        names.append(type(link).__name__)
        if names[-1] == "LoadBalance":
            handler = next(iter(link._targets.now.by_endpoint.values())).handle
        elif names[-1] == "Forward":
            return names
        elif names[-1] == "Retry" and link._hold is not None:
            names.append(type(link._hold.__self__).__name__)
            handler = link._inner
        else:
            handler = link._inner


def top(built: Tree) -> Handler:
    """The chain of whatever takes this request."""
    return built.router.find("GET", "a", "/", ()).handle


CHAINS: list[tuple[list[str], dict[str, Any], list[str]]] = [
    # servers, tables, links from the top
    (ONE, {}, ["Retry", "Commit", "Forward"]),
    (ONE, {"retry": False}, ["Forward"]),
    (ONE, {"retry": {"attempts": 1}}, ["Forward"]),
    (TWO, {}, ["Retry", "Commit", "LoadBalance", "Forward"]),
    (["http://api.test"], {}, ["Retry", "Commit", "LoadBalance", "Forward"]),
    (["http://api.test"], {"upstream_options": {"dns_ttl": "0"}}, ["Retry", "Commit", "Forward"]),
    (["unix:/run/api.sock"], {}, ["Retry", "Commit", "Forward"]),
    (ONE, {"circuit_breaker": {}}, ["Retry", "Commit", "LoadBalance", "Forward"]),
    (ONE, {"health_check": {}}, ["Retry", "Commit", "LoadBalance", "Forward"]),
    (
        TWO,
        {"retry": {"wait_for_connect": "30s"}},
        ["WaitForConnect", "Retry", "Commit", "LoadBalance", "Forward"],
    ),
    (
        ONE,
        {"retry": {"wait_for_connect": "30s", "attempts": 1}},
        ["WaitForConnect", "Forward"],
    ),
    (ONE, {"stream": {"commit": "first_chunk"}}, ["Retry", "Commit", "Forward"]),
    (ONE, {"stream": {"commit": "first_chunk"}, "retry": False}, ["Commit", "Forward"]),
    (ONE, {"stream": {"commit": "headers"}}, ["Retry", "Forward"]),
    (ONE, {"stream": {}}, ["Retry", "Commit", "Forward"]),
    (ONE, {"stream": {"commit_wait": "1s"}}, ["Retry", "Commit", "Forward"]),
    (ONE, {"stream": {"resume": "9s"}}, ["Resume", "Retry", "Commit", "Forward"]),
    (ONE, {"cache": {}}, ["Cache", "Retry", "Commit", "Forward"]),
    (ONE, {"cache": {}, "coalesce": {}}, ["Cache", "Retry", "Commit", "Forward"]),
    (
        ONE,
        {"routes": [{"upstream": "api", "fallback": ["b"]}]},
        ["Fallback", "Retry", "Commit", "Forward"],
    ),
    (
        TWO,
        {
            "stream": {"commit": "body:1KiB", "resume": "9s"},
            "circuit_breaker": {},
            "timeouts": {"total": "9s", "per_try": "1s"},
            "routes": [{"upstream": "api", "fallback": ["b"]}],
        },
        ["Total", "Resume", "Fallback", "Retry", "Commit", "LoadBalance", "PerTry", "Forward"],
    ),
    (
        TWO,
        {
            "timeouts": {"total": "9s", "per_try": "1s"},
            "deadline": {},
            "rate_limit": {"average": 1, "max_wait": "1s"},
            "stream": {"heartbeat": "9s", "resume": "9s", "commit": "first_chunk"},
            "coalesce": {},
            "hedge": {},
            "concurrency": {},
            "routes": [{"upstream": "api", "fallback": ["b"], "add_prefix": "/v1"}],
        },
        [
            "Rewrite",
            *("Deadline", "Total", "RateLimit", "SseKeepAlive", "Resume", "Coalesce", "Fallback"),
            *("Retry", "Commit", "QuotaWait", "Hedge", "Concurrency", "LoadBalance"),
            *("UpstreamQuota", "DeadlinePropagation", "PerTry", "Forward"),
        ],
    ),
]


@pytest.mark.parametrize(("servers", "tables", "links"), CHAINS)
async def test_a_chain_has_what_is_configured_and_nothing_else(
    jumping: JumpingLoop, servers: list[str], tables: dict[str, Any], links: list[str]
) -> None:
    async with tree(servers, **tables) as built:
        assert chain(top(built)) == links


@pytest.mark.parametrize(
    ("forwarded", "prefix"), [("both", b"/v1"), ("x", b"/v1"), ("forwarded", b""), ("off", b"")]
)
async def test_servers_are_told_of_a_stripped_prefix_with_the_other_x_fields(
    jumping: JumpingLoop, forwarded: str, prefix: bytes
) -> None:
    routes = [{"upstream": "api", "strip_prefix": "/v1"}]
    async with tree(ONE, routes=routes, server={"forwarded": forwarded}) as built:
        rewrite: Any = getattr(top(built), "__self__", None)
        assert rewrite._prefix == prefix


async def test_a_route_is_called_by_its_pattern_where_it_has_one(jumping: JumpingLoop) -> None:
    routes = [{"upstream": "api", "path": "/a"}, {"upstream": "b", "path_regex": "/b.*"}]
    async with tree(ONE, routes=routes) as built:
        names = [built.router.find("GET", "h", path, ()).name for path in ("/a", "/bc")]
        assert names == ["/a", "/b.*"]


@pytest.mark.parametrize(
    ("retry", "method", "repeatable", "more"),
    [
        ({}, "GET", True, True),
        ({}, "POST", False, False),
        (False, "GET", True, False),
        ({"methods": ["POST"]}, "POST", True, True),
    ],
)
def test_whether_a_request_may_be_sent_again_is_what_retry_says(
    retry: Any, method: str, *, repeatable: bool, more: bool
) -> None:
    text = toml(
        {
            "retry": retry,
            "upstreams": [{"name": "api", "servers": ONE}],
            "routes": [{"upstream": "api"}],
        }
    )
    scope = scope_of(parsed(text).routes[0], Shared(random.Random(1)))
    asked = get("/", method=method)
    assert scope.repeatable(asked) is repeatable
    assert scope.has_more_attempts(asked) is more


async def test_routes_share_servers_and_budgets_but_no_breakers(jumping: JumpingLoop) -> None:
    routes = [
        {"upstream": "api", "path": "/a", "fallback": ["b"]},
        {"upstream": "api", "path": "/b"},
        {"upstream": "api", "path": "/c", "retry": {"budget": {"percent": 50}}},
    ]
    async with tree(TWO, routes=routes, circuit_breaker={}) as built:
        report = state(built.describe(0.0))
        assert [server["endpoint"] for server in report["upstreams"]["api"]] == TWO
        assert [budget["upstream"] for budget in report["budgets"]] == ["api", "b", "api"]
        assert [(state["route"], state["endpoint"]) for state in report["breakers"]] == [
            ("/a", TWO[0]),
            ("/a", TWO[1]),
            ("/a", ONE[0]),
            ("/b", TWO[0]),
            ("/b", TWO[1]),
            ("/c", TWO[0]),
            ("/c", TWO[1]),
        ]


async def test_breakers_survive_news_of_other_servers(jumping: JumpingLoop) -> None:
    async with tree(TWO, circuit_breaker={}) as built:
        things = [each.thing for each in built.shared.watched]
        [targets] = [thing for thing in things if isinstance(thing, TargetSet)]
        told: list[None] = []
        targets.on_state.append(lambda: told.append(None))
        before = targets.now
        known, other = built.endpoints["api"].members
        breaker = before.by_endpoint[known].breaker
        other.set_health(healthy=False)
        assert len(told) == 1
        assert targets.now is before
        assert targets.now.by_endpoint[known].breaker is breaker


async def test_nobody_is_told_of_endpoints_after_the_end(jumping: JumpingLoop) -> None:
    routes = [{"upstream": "api", "path": "/a"}, {"upstream": "api", "path": "/b"}]
    async with tree(TWO, routes=routes, upstream_options={"health_check": {}}) as built:
        endpoints = built.endpoints["api"]
        assert len(endpoints.on_membership) == 3  # both routes and the health checks
        assert len(endpoints.on_state) == 2
    assert endpoints.on_membership == endpoints.on_state == []


async def test_nothing_runs_on_after_the_end(jumping: JumpingLoop) -> None:
    async with tree(TWO, health_check={}):
        assert len(asyncio.all_tasks()) > 1
    assert asyncio.all_tasks() == {asyncio.current_task()}
