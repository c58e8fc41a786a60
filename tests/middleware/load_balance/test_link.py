"""What balancing is made from, and what it leaves for the links above it."""

import asyncio
from typing import Any

import pytest

from proxy.middleware.load_balance.ejection import CircuitBreakerOptions
from proxy.middleware.load_balance.load_balance import link
from proxy.middleware.load_balance.targets import TargetSet
from tests.support.endpoint import Live
from tests.support.loop import JumpingLoop, Script, get
from tests.support.proxy import parsed, toml
from tests.support.scope import upstream_scope
from tests.support.servers import Node

UPSTREAM = {
    "upstreams": [{"name": "api", "servers": ["http://10.0.0.1"]}],
    "routes": [{"upstream": "api"}],
}


@pytest.mark.parametrize(("retry", "first"), [({}, "a"), (False, "b")])
async def test_the_link_is_made_of_the_targets_and_of_what_retry_allows(
    jumping: JumpingLoop, retry: Any, first: str
) -> None:
    """Without another try a request is no trial of a server that was ejected."""
    a, b = Node("a"), Node("b")
    targets = TargetSet(Live(a, b), lambda node: node.handle, CircuitBreakerOptions())
    scope = upstream_scope(parsed(toml({"retry": retry, **UPSTREAM})))
    scope.options += (targets,)
    handle = link(scope, Script())
    assert handle is not None
    assert [each.thing for each in scope.shared.watched] == [targets]
    [has_headroom] = scope.has_headroom
    assert has_headroom()
    assert len(scope.has_server_left) == 1
    assert scope.has_server_left[0](get())
    breaker = targets.now.by_endpoint[a].breaker
    assert breaker is not None
    breaker.eject(jumping.time())
    assert has_headroom(), "half of the servers are well"
    b.pause(jumping.time() + 1)
    assert not has_headroom()
    await asyncio.sleep(5)
    exchange = get()
    await handle(exchange)
    assert exchange.record.endpoint == first


async def test_there_is_no_link_where_there_is_nothing_to_choose_from() -> None:
    scope = upstream_scope(parsed(toml(UPSTREAM)))
    assert link(scope, Script()) is None
    assert (scope.has_headroom, scope.shared.watched) == ([], [])
