"""What every store does about requests that are under way, also those of other processes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from proxy.core.stored import Store
from proxy.store.memory import MemoryStore
from proxy.store.redis import RedisStore
from proxy.store.sqlite import SqliteStore
from tests.support.redis_server import redis_server
from tests.support.stored import meta, put, said

K, OTHER = b"k" * 16, b"o" * 16
LEASE = b"l" * 16
LONG = b"x" * 200_000


@contextlib.asynccontextmanager
async def two_of(kind: str, folder: Path) -> AsyncIterator[list[Store]]:
    """That of one process, and that of another one; a store in memory has no other."""
    found: list[Store]
    if kind == "memory":
        yield [MemoryStore(64 << 20)] * 2
    elif kind == "sqlite":
        found = [SqliteStore(folder / "store.db", 64 << 20, 0.0) for _ in range(2)]
        yield found
        for each in found:
            await each.close()
    else:
        async with redis_server() as server:
            found = [RedisStore(server.url, 0.0) for _ in range(2)]
            yield found
            for each in found:
                await each.close()


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[list[Store]]:
    """Of each kind."""
    async with two_of(request.param, tmp_path) as found:
        yield found


@pytest.fixture(params=["sqlite", "redis"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[list[Store]]:
    """Of each kind that processes share."""
    async with two_of(request.param, tmp_path) as found:
        yield found


async def no_lease(store: Store) -> None:
    """Wait until nobody has it."""
    async with asyncio.timeout(30):
        while await store.claims.holder(LEASE):  # noqa: ASYNC110 - another process tells nobody
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("chunk", [b"x", LONG], ids=["short", "long"])
@pytest.mark.parametrize(
    "invalidate",
    [lambda store: store.delete(K), lambda store: store.purge(b"red")],
    ids=["key", "label"],
)
@pytest.mark.parametrize("other", [0, 1], ids=["same", "other"])
async def test_what_was_asked_for_before_an_invalidation_is_not_stored_after_it(
    stores: list[Store], chunk: bytes, invalidate: Callable[[Store], object], other: int
) -> None:
    before = await stores[0].claims.take()
    put(stores[0], OTHER, b"there")
    await invalidate(stores[other])  # type: ignore[misc]
    put(stores[0], K, chunk, claim=before, labels=[b"blue", b"red"])
    assert await stores[0].get(OTHER)
    assert not await stores[0].get(K)
    put(stores[0], K, chunk, claim=await stores[0].claims.take(), labels=[b"red"])
    assert await stores[0].get(K)
    assert await stores[other].get(K)


async def test_what_is_invalidated_later_is_gone_whatever_it_was_stored_with(
    stores: list[Store],
) -> None:
    one, two = stores
    put(one, K, b"x", claim=await one.claims.take(), labels=[b"red"])
    assert await one.get(K)
    assert (await two.purge(b"red")).count == 1
    assert not await one.get(K)
    put(one, K, b"x", claim=await one.claims.take(), labels=[b"red"])
    assert await one.get(K)
    await two.delete(K)
    assert not await one.get(K)
    assert (await two.purge(b"red")).count == 0


async def test_an_entry_that_is_gone_gets_no_other_head(stores: list[Store]) -> None:
    one, two = stores
    put(one, K, b"x")
    [entry] = await one.get(K)
    await two.delete(K)
    await one.touch(K, entry.ident, meta())
    assert not await one.get(K)


async def test_removing_one_entry_leaves_what_is_on_its_way(stores: list[Store]) -> None:
    one, two = stores
    put(one, K, b"old")
    [entry] = await one.get(K)
    claim = await one.claims.take()
    await two.delete(K, entry.ident)
    put(one, K, b"new", claim=claim)
    assert len(await one.get(K)) == 1


async def test_one_process_has_the_lease_until_its_reply_is_stored(pair: list[Store]) -> None:
    one, two = pair
    claim = await one.claims.take(LEASE)
    assert claim.token
    assert not claim.held_by
    second = await two.claims.take(LEASE)
    assert not second.token
    assert second.held_by == claim.token
    assert await two.claims.holder(LEASE) == claim.token
    two.claims.give_back(second)  # it is not theirs
    one.claims.renew(claim)
    assert (await one.claims.take(LEASE)).held_by == claim.token
    put(one, K, b"x", claim=claim)
    await no_lease(two)
    assert await two.get(K)
    assert (await two.claims.take(LEASE)).token


@pytest.mark.parametrize("how", ["given back", "aborted", "invalidated"])
async def test_a_reply_that_is_not_stored_gives_the_lease_back(pair: list[Store], how: str) -> None:
    one, two = pair
    claim = await one.claims.take(LEASE)
    if how == "given back":
        one.claims.give_back(claim)
    elif how == "aborted":
        one.put(K, meta(), claim).abort()
    else:
        await two.delete(K)
        put(one, K, b"x", claim=claim)
    await no_lease(two)
    assert not await two.get(K)


async def test_a_request_without_a_name_takes_no_lease(pair: list[Store]) -> None:
    one, two = pair
    claim = await one.claims.take()
    assert not claim.token
    assert claim.order is not None
    assert not await two.claims.holder(b"")


async def test_what_nobody_waited_for_is_stored_where_its_order_can_be_said_later(
    stores: list[Store],
) -> None:
    store = stores[0]
    claim = store.claims.take_later()
    assert (claim.order, claim.token) == (None, b"")
    if isinstance(store, RedisStore):
        await said(claim)
    put(store, K, b"x", claim=claim)
    assert bool(await store.get(K)) is not isinstance(store, SqliteStore)


async def test_of_many_that_ask_for_a_lease_one_gets_it(pair: list[Store]) -> None:
    claims = await asyncio.gather(*(pair[n % 2].claims.take(LEASE) for n in range(40)))
    [winner] = [claim for claim in claims if claim.token]
    assert {claim.held_by for claim in claims if claim is not winner} == {winner.token}


async def test_heads_that_are_changed_at_once_lose_no_body(pair: list[Store]) -> None:
    put(pair[0], K, b"x")
    [entry] = await pair[0].get(K)
    heads = [meta(fields=[(b"N", b"%d" % n)]) for n in range(10)]
    await asyncio.gather(*(pair[n % 2].touch(K, entry.ident, head) for n, head in enumerate(heads)))
    [entry] = await pair[1].get(K)
    assert entry.meta in heads
    assert await entry.read(0) == b"x"
