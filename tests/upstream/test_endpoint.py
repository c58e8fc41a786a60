"""What all routes to an endpoint share: its connections, load and health."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from proxy.core.errors import ConnectFailed
from proxy.policy.quota import Quotas
from proxy.upstream.endpoint import Endpoint
from proxy.upstream.endpoints import Endpoints
from proxy.upstream.options import ServerEntry, UpstreamOptions
from proxy.upstream.session import Session
from tests.support.loop import JumpingLoop
from tests.support.samples import told


@asynccontextmanager
async def one(
    *servers: str | ServerEntry, **options: Any
) -> AsyncIterator[tuple[Endpoints, Endpoint]]:
    """The endpoints of an upstream, and the first of them."""
    async with Session() as session:
        found = Endpoints(UpstreamOptions(name="api", servers=servers, **options), session)
        endpoint = found.members[0]
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


async def test_the_connections_of_checks_come_and_go_with_the_others(jumping: JumpingLoop) -> None:
    async with one("http://10.0.0.1", limit=1) as (_, endpoint):
        pools = (endpoint.pool, endpoint.check_pool)
        endpoint.close()
        assert all(pool.expires for pool in pools)
        endpoint.reopen()
        assert not any(pool.expires for pool in pools)
        endpoint.follow_name(frozenset({"10.0.0.1"}))
        endpoint.follow_name(frozenset({"10.0.0.2"}))  # what is in use may have to go
        assert all(pool.expires for pool in pools)


async def test_slow_start_begins_when_an_endpoint_has_recovered(jumping: JumpingLoop) -> None:
    async with one("http://10.0.0.1") as (_, endpoint):
        endpoint.available_since = 0.0
        endpoint.set_health(healthy=False)
        assert endpoint.available_since == 0.0
        endpoint.set_health(healthy=True)
        assert endpoint.available_since > 0.0


async def test_slow_start_begins_when_an_address_is_back(jumping: JumpingLoop) -> None:
    async with one("http://10.0.0.1") as (_, endpoint):
        endpoint.available_since = 0.0
        endpoint.close()
        assert endpoint.available_since == 0.0
        endpoint.reopen()
        assert endpoint.available_since > 0.0


async def test_an_endpoint_reports_what_it_says_of_its_own_limits(jumping: JumpingLoop) -> None:
    async with one("http://10.0.0.1") as (_, endpoint):
        endpoint.quotas = Quotas()
        endpoint.quotas.pause_path(b"/a", 107.0)
        endpoint.quotas.pause_path(b"/b", 105.0)
        quota = endpoint.quotas.of(b"one")
        quota.update(100, 20, now=100.0)
        quota.update(10, 20, now=100.0)
        endpoint.quotas.of(b"two")
        quota.pause(103.0)
        shown = {k: v for k, v in told(endpoint, 100.0).items() if k.startswith("endpoint_quota")}
        at = "http://10.0.0.1"
        assert shown == {
            f"endpoint_quota_path_wait_seconds {at}": 7.0,
            f"endpoint_quota_paths {at}": 2,
            f"endpoint_quota_credentials {at}": 2,
            f"endpoint_quota_wait_seconds {at}": 3.0,
            f"endpoint_quota_remaining {at}": 10,
            f"endpoint_quota_spacing_seconds {at}": 2.0,
        }
        later = told(endpoint, 121.0)
        assert f"endpoint_quota_remaining {at}" not in later  # of a period that is over
        assert later[f"endpoint_quota_spacing_seconds {at}"] == 0.0
        assert later[f"endpoint_quota_paths {at}"] == 0


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
            f"endpoint_withdrawn {at}": 0,
            f"endpoint_paused_seconds {at}": 3.0,
            f"endpoint_in_flight {at}": 1,
            f"endpoint_connections {at}": 0,
            f"endpoint_connections_opened {at}": 0,
            f"endpoint_attempts {at} 200": 2,
            f"endpoint_attempts {at} reset": 1,
        }


async def test_a_backup_that_is_unhealthy_is_reported_as_one(jumping: JumpingLoop) -> None:
    at = "http://10.0.0.1"
    async with one("http://10.0.0.2", ServerEntry(url=at, backup=True)) as (found, _):
        found.members[1].set_health(healthy=False)
        shown = told(found)
        assert (shown[f"endpoint_backup {at}"], shown[f"endpoint_healthy {at}"]) == (1, 0)


async def test_an_operator_withdraws_a_server_and_restores_it(jumping: JumpingLoop) -> None:
    async with one("http://10.0.0.1") as (found, endpoint):
        told_of: list[bool] = []
        found.on_state.append(lambda: told_of.append(endpoint.withdrawn))
        endpoint.withdraw(withdrawn=True)
        endpoint.withdraw(withdrawn=True)
        endpoint.set_health(healthy=True)  # its checks go on, and change nothing
        assert told(found)["endpoint_withdrawn http://10.0.0.1"] == 1
        since = endpoint.available_since
        await asyncio.sleep(0.001)
        endpoint.withdraw(withdrawn=False)
        assert endpoint.available_since > since  # slow start begins anew
        assert told_of == [True, True, False]


async def test_the_same_server_reached_in_another_way_is_as_slow_as_before(
    jumping: JumpingLoop,
) -> None:
    async with one("http://10.0.0.1") as (_, before), one("http://10.0.0.1") as (_, after):
        before.usual.observe(3.0)
        before.share = 0.25
        before.refused_until = before.available_since + 9
        before.proven = True
        after.take_over(before)
        assert (after.usual.seconds, after.share, after.proven) == (3.0, 0.25, True)
        assert after.refused_until == before.available_since + 9


@pytest.mark.parametrize(
    ("fails", "unhealthy", "withdrawn", "unreachable"),
    [
        ("", "", "", False),
        ("a", "", "", False),
        ("ab", "", "", True),
        ("ab", "ab", "", True),
        ("a", "b", "", True),  # for what it answers
        ("a", "", "b", True),
        ("", "a", "b", False),
        ("a", "", "ab", False),  # by an operator
    ],
)
async def test_no_server_can_be_connected_to_where_those_that_could_be_asked_cannot(
    jumping: JumpingLoop, fails: str, unhealthy: str, withdrawn: str, unreachable: bool
) -> None:
    async with one("http://10.0.0.1", "http://10.0.0.2") as (found, _):
        for name, endpoint in zip("ab", found.members, strict=True):
            if name in fails:
                endpoint.connects.failed(ConnectFailed(name))
            if name in unhealthy:
                endpoint.set_health(healthy=False)
            endpoint.withdraw(withdrawn=name in withdrawn)
        failure = found.unreachable
        assert (failure is not None and failure.detail in fails) is unreachable
