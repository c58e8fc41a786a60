"""What all routes to an endpoint share: its connections, load and health."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from proxy.upstream.endpoint import Endpoint
from proxy.upstream.endpoints import Endpoints
from proxy.upstream.options import ServerEntry, UpstreamOptions
from proxy.upstream.session import Session
from tests.support.loop import JumpingLoop
from tests.support.samples import told


@asynccontextmanager
async def one(
    server: str | ServerEntry, **options: Any
) -> AsyncIterator[tuple[Endpoints, Endpoint]]:
    """The endpoint of an upstream that has one."""
    async with Session() as session:
        found = Endpoints(UpstreamOptions(name="api", servers=(server,), **options), session)
        (endpoint,) = found.members
        yield found, endpoint
        await found.close()


async def test_an_endpoint_tells_when_it_may_be_asked_no_more(jumping: JumpingLoop) -> None:
    async with one("http://10.0.0.1") as (found, endpoint):
        told: list[bool] = []
        found.on_state.append(lambda: told.append(endpoint.healthy))
        endpoint.pause(endpoint.available_since + 5)
        endpoint.pause(endpoint.available_since + 3)  # the longer one counts
        assert told == [True]
        assert endpoint.paused_until == endpoint.available_since + 5
        endpoint.set_health(healthy=False)
        assert told == [True, False]
        endpoint.latency.observe(3.0, endpoint.available_since)
        endpoint.set_health(healthy=True)
        assert told == [True, False, True]
        latency = endpoint.latency.value(endpoint.available_since)
        assert latency == 0  # what it did before counts no more


async def test_only_requests_are_limited_in_their_connections(jumping: JumpingLoop) -> None:
    async with one("http://10.0.0.1", limit=1) as (_, endpoint):
        assert endpoint.check_pool is not endpoint.pool
        assert endpoint.check_pool.try_idle() is None
    async with one("http://10.0.0.1") as (_, endpoint):
        assert endpoint.check_pool is endpoint.pool


async def test_an_endpoint_reports_how_it_is_doing(jumping: JumpingLoop) -> None:
    async with one(ServerEntry(url="http://10.0.0.1", weight=2)) as (found, endpoint):
        endpoint.pause(endpoint.available_since + 5)
        endpoint.outcomes.update({200: 2, "reset": 1})
        endpoint.in_flight = 1
        shown = told(found, endpoint.available_since + 2)
        at = "http://10.0.0.1"
        assert shown == {
            f"endpoint_weight {at}": 2,
            f"endpoint_backup {at}": 0,
            f"endpoint_healthy {at}": 1,
            f"endpoint_paused_seconds {at}": 3.0,
            f"endpoint_in_flight {at}": 1,
            f"endpoint_connections {at}": 0,
            f"endpoint_attempts {at} 200": 2,
            f"endpoint_attempts {at} reset": 1,
        }
