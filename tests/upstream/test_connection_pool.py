"""Connections to one endpoint: which one is used next, and which one no more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientTimeout

from proxy.core.errors import ConnectFailed, ServerAtLimit
from proxy.core.ties import Ties
from proxy.upstream.address import Address
from proxy.upstream.connection_pool import ConnectionPool
from proxy.upstream.options import ServerEntry, UpstreamOptions
from proxy.upstream.session import Session
from tests.support.upstream import RawUpstream, closed_port

PATIENT, HASTY = ClientTimeout(connect=30), ClientTimeout(connect=0.01)


@asynccontextmanager
async def opened(**limits: Any) -> AsyncIterator[tuple[ConnectionPool, RawUpstream]]:
    """A pool for a server that listens."""
    async with RawUpstream() as upstream, Session() as session:
        options = UpstreamOptions(name="api", servers=(upstream.url,))
        address = Address(options, ServerEntry(url=upstream.url), None)
        table = {"keepalive": 60.0, "limit": 0, **limits}
        pool = session.connection_pool(address.template, address.unix_path, **table)
        yield pool, upstream
        pool.close()


async def all_ended(pool: ConnectionPool) -> None:
    async with asyncio.timeout(30):
        while pool.connections:  # noqa: ASYNC110 - the loop hears of it when it does
            await asyncio.sleep(0)


async def test_the_connection_that_was_used_last_is_used_first() -> None:
    async with opened() as (pool, _):
        one, two = await pool.acquire(PATIENT), await pool.acquire(PATIENT)
        assert pool.try_idle() is None
        one.release()
        two.release()
        assert pool.connections == 2
        assert [pool.try_idle(), pool.try_idle(), pool.try_idle()] == [two, one, None]
        one.discard()
        two.discard()
        assert pool.connections == 0


async def test_when_idle_ones_have_been_closed_the_next_one_is_new() -> None:
    async with opened() as (pool, _):
        idle, used = await pool.acquire(PATIENT), await pool.acquire(PATIENT)
        idle.release()
        pool.close_idle()
        new = await pool.acquire(PATIENT)
        assert (new is idle, pool.connections) == (False, 2)
        used.release()
        assert pool.try_idle() is used
        new.discard()
        used.discard()


async def test_those_that_were_idle_for_long_are_closed_alone() -> None:
    async with opened() as (pool, _):
        old, young = await pool.acquire(PATIENT), await pool.acquire(PATIENT)
        for each, seconds in ((young, 1.0), (old, 3.0)):
            each.release()
            each.protocol._parked_at -= seconds
        pool.close_idle(2.0)
        assert pool.connections == 1
        assert [pool.try_idle(), pool.try_idle()] == [young, None]
        young.discard()


async def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    async with opened() as (pool, upstream):
        connection = await pool.acquire(PATIENT)
        connection.release()
        await upstream.until(lambda: len(upstream.connections) == 1)
        upstream.connections[0].transport.close()
        await all_ended(pool)
        assert pool.try_idle() is None
        assert pool.peer_closes_idle


async def test_an_end_that_the_loop_has_not_seen_yet_counts_too() -> None:
    async with opened() as (pool, upstream):
        (await pool.acquire(PATIENT)).release()
        await upstream.until(lambda: len(upstream.connections) == 1)
        # Written and looked at without giving the loop a turn in between.
        upstream.connections[0].transport.write(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        assert pool.try_idle() is None
        assert (pool.connections, pool.peer_closes_idle) == (0, True)


async def test_what_we_close_ourselves_says_nothing_of_the_server() -> None:
    async with opened(keepalive=0.01) as (pool, _):
        (await pool.acquire(PATIENT)).release()
        await all_ended(pool)
        assert not pool.peer_closes_idle


@pytest.mark.parametrize(
    ("limits", "expires", "kept"),
    [({}, False, 1), ({"keepalive": 0.0}, True, 0), ({"max_age": 1e-9}, True, 0)],
)
async def test_what_has_expired_is_closed_when_it_is_released(
    limits: dict[str, float], expires: bool, kept: int
) -> None:
    async with opened(**limits) as (pool, _):
        connection = await pool.acquire(PATIENT)
        assert (pool.expires, pool.expired(connection)) == (expires, expires)
        connection.release()
        assert pool.connections == kept


async def test_what_the_server_closes_at_once_is_not_kept_but_for_a_login() -> None:
    async with opened() as (pool, _):
        for owner, kept in ((None, 0), (Ties(), 1)):
            connection = await pool.acquire(PATIENT)
            connection.protocol.usable = 0.0
            if owner is not None:
                connection.bind(owner, "api")
            connection.release()
            assert pool.connections == kept
            if owner is not None:
                owner.close()


async def test_idle_connections_to_an_address_that_the_name_has_left_are_closed() -> None:
    async with opened() as (pool, _):
        idle, used = await pool.acquire(PATIENT), await pool.acquire(PATIENT)
        idle.release()
        pool.follow_name(frozenset({"127.0.0.1"}))
        assert pool.connections == 2
        pool.follow_name(frozenset({"127.0.0.2"}))
        assert (pool.connections, pool.expired(used)) == (1, True)
        used.release()
        assert pool.connections == 0


async def test_a_closed_pool_keeps_nothing_until_it_is_open_again() -> None:
    async with opened() as (pool, _):
        idle, used = await pool.acquire(PATIENT), await pool.acquire(PATIENT)
        idle.release()
        pool.close()
        used.release()
        assert pool.connections == 0
        pool.reopen()
        (await pool.acquire(PATIENT)).release()
        assert (pool.connections, pool.expires) == (1, False)
        pool.follow_name(frozenset({"127.0.0.1"}))
        pool.close()
        pool.reopen()
        assert pool.expires  # what was in use before may go to another address


async def test_at_the_limit_an_attempt_waits_for_a_connection_to_be_released() -> None:
    async with opened(limit=1) as (pool, _):
        assert pool.permits is not None
        full = [pool.permits.full]
        connection = await pool.acquire(PATIENT)
        full.append(pool.permits.full)
        with pytest.raises(ServerAtLimit, match="became free within connect"):
            await pool.acquire(HASTY)
        waiting = asyncio.ensure_future(pool.acquire(PATIENT))
        await asyncio.sleep(0)
        connection.release()
        full.append(pool.permits.full)  # it is another's
        assert await waiting is connection
        connection.discard()
        assert [*full, pool.permits.full] == [False, True, True, False]


async def test_a_connection_that_cannot_be_made_takes_no_permit() -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    address = Address(UpstreamOptions(name="api", servers=(url,)), ServerEntry(url=url), None)
    async with Session() as session:
        pool = session.connection_pool(address.template, None, keepalive=60.0, limit=1)
        for _ in range(2):
            with pytest.raises(ConnectFailed):
                await pool.acquire(PATIENT)


async def test_a_connection_with_a_login_is_kept_for_its_client_alone() -> None:
    ties = Ties()
    async with opened(limit=1) as (pool, _):
        connection = await pool.acquire(PATIENT)
        connection.bind(ties, "a")
        connection.release()
        assert ties.servers == {"a"}
        other = await pool.acquire(PATIENT)
        assert other is not connection
        other.discard()
        assert await pool.acquire_bound(ties, PATIENT) is connection
        assert await pool.acquire_bound(ties, PATIENT) is None
        ties.close()
        connection.release()
        assert pool.connections == 0


async def test_of_several_connections_with_a_login_one_is_kept() -> None:
    ties = Ties()
    async with opened() as (pool, _):
        one, two = await pool.acquire(PATIENT), await pool.acquire(PATIENT)
        for connection in (one, two):
            connection.bind(ties, "a")
            connection.release()
        assert pool.connections == 1
        assert await pool.acquire_bound(ties, PATIENT) is one
        one.discard()


async def test_a_wait_for_a_connection_that_ends_meanwhile_takes_no_permit() -> None:
    ties = Ties()
    async with opened(limit=1) as (pool, _):
        connection = await pool.acquire(PATIENT)
        connection.bind(ties, "a")
        connection.release()
        other = await pool.acquire(PATIENT)
        waiting = asyncio.ensure_future(pool.acquire_bound(ties, PATIENT))
        await asyncio.sleep(0)
        ties.close()
        other.release()
        assert await waiting is None
        assert await pool.acquire(PATIENT) is other
        other.discard()


async def test_the_age_of_a_connection_counts_once_a_login_has_had_its_time() -> None:
    async with opened(max_age=1e-9) as (pool, _):
        connection = await pool.acquire(PATIENT)
        connection.bind(Ties(), "a")
        assert not pool.expired(connection)
        connection.login_at -= 11
        connection.bind(Ties(), "a")  # what follows a login is no new one
        assert pool.expired(connection)
        connection.discard()


async def test_where_no_connection_is_kept_one_with_a_login_still_is() -> None:
    async with opened(keepalive=0.0) as (pool, _):
        connection = await pool.acquire(PATIENT)
        assert pool.expired(connection)
        connection.bind(Ties(), "a")
        assert not pool.expired(connection)
        connection.discard()


async def test_a_login_of_a_health_check_ends_with_its_request() -> None:
    async with opened() as (pool, _):
        connection = await pool.acquire(PATIENT)
        connection.bind(None, "a")
        connection.release()
        assert pool.connections == 0


async def test_of_several_connections_that_name_one_client_one_is_kept() -> None:
    """An attempt and its copy have one each."""
    ties = Ties()
    async with opened(send_proxy="v1", limit=2) as (pool, _):
        one, two = [await pool.acquire(PATIENT, "192.0.2.7", ties) for _ in range(2)]
        for connection in (one, two):
            connection.release()
        assert (pool.connections, pool.try_idle()) == (1, None)
        assert await pool.acquire(PATIENT, "192.0.2.7", ties) is one
        other = await pool.acquire(PATIENT, "192.0.2.7", ties)  # both permits were given back
        assert other is not two
        ties.close()
        for connection in (one, other):
            connection.release()
        assert pool.connections == 0
