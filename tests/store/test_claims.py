"""What every store does about requests that are under way, also those of other processes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from proxy.core.stored import Claim, Store
from proxy.store.circuit import Circuit
from proxy.store.memory import MemoryStore
from proxy.store.redis import RedisStore
from proxy.store.redis_claims import RedisClaims
from proxy.store.sqlite import SqliteStore
from tests.support.redis_server import redis_server
from tests.support.stored import meta, put

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


def stored(store: Store, claim: Claim | None, *chunks: bytes, labels: list[bytes]) -> None:
    writer = store.put(K, meta(labels=labels), claim)
    for chunk in chunks:
        assert writer.write(chunk)
    writer.commit()


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
    stored(stores[0], before, chunk, labels=[b"blue", b"red"])
    assert await stores[0].get(OTHER)
    assert not await stores[0].get(K)
    stored(stores[0], await stores[0].claims.take(), chunk, labels=[b"red"])
    assert await stores[0].get(K)
    assert await stores[other].get(K)


async def test_what_is_invalidated_later_is_gone_whatever_it_was_stored_with(
    stores: list[Store],
) -> None:
    one, two = stores
    stored(one, await one.claims.take(), b"x", labels=[b"red"])
    assert await one.get(K)
    assert (await two.purge(b"red")).count == 1
    assert not await one.get(K)
    stored(one, await one.claims.take(), b"x", labels=[b"red"])
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
    stored(one, claim, b"new", labels=[])
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
    stored(one, claim, b"x", labels=[])
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
        stored(one, claim, b"x", labels=[])
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
    stored(store, claim, b"x", labels=[])
    assert bool(await store.get(K)) is not isinstance(store, SqliteStore)


async def said(claim: Claim) -> None:
    """Wait until Redis has said its order."""
    async with asyncio.timeout(30):
        while claim.order is None:  # noqa: ASYNC110 - nobody waits for it
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    "invalidate",
    [lambda store: store.delete(K), lambda store: store.purge(b"red")],
    ids=["key", "label"],
)
async def test_what_was_invalidated_before_redis_says_the_order_is_not_stored(
    invalidate: Callable[[Store], Awaitable[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = asyncio.Event()
    async with redis_server() as server:
        one, two = (RedisStore(server.url, 0.0) for _ in range(2))
        assert isinstance(one.claims, RedisClaims)
        take = one.claims._take

        async def late(*what: object) -> object:
            await goes_on.wait()
            return await take(*what)

        monkeypatch.setattr(one.claims, "_take", late)
        claim = one.claims.take_later()
        await invalidate(two)
        goes_on.set()
        await said(claim)
        stored(one, claim, b"x", labels=[b"red"])
        assert not await one.get(K)
        for each in (one, two):
            await each.close()


async def test_an_open_circuit_is_not_asked_for_an_order() -> None:
    store = RedisStore("redis://127.0.0.1:1", 5.0)
    for _ in range(3):
        await store.get(K)
    claim = store.claims.take_later()
    assert not store._calls._tasks
    await store.close()
    assert claim.order is None


async def test_a_lease_that_redis_did_not_take_back_is_taken_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not to keep its own process waiting for nobody, once Redis answers again."""
    async with redis_server() as server:
        one, two = (RedisStore(server.url, 5.0) for _ in range(2))
        claim = await one.claims.take(LEASE)
        token = claim.token
        with monkeypatch.context() as patch:
            patch.setattr(Circuit, "admits", lambda _: False)
            one.claims.give_back(claim)
            await asyncio.gather(*one._calls._tasks)
        assert await one.claims.holder(LEASE) == b""
        assert await two.claims.holder(LEASE) == token
        lease = one._names.lease(LEASE)
        await one._client.pexpire(lease, 1000)
        again = await one.claims.take(LEASE)
        assert (again.token, again.held_by) == (token, b"")
        await asyncio.gather(*one._calls._tasks)
        assert await one._client.pttl(lease) > 5000
        assert await one.claims.holder(LEASE) == token
        one.claims.give_back(again)
        await asyncio.gather(*one._calls._tasks)
        assert await two.claims.holder(LEASE) == b""
        for each in (one, two):
            await each.close()


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
