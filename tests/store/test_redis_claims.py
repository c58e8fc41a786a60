"""What only claims in Redis do: they learn an order late, and take a lease over."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from proxy.core.stored import LEASE as LEASE_TIME
from proxy.core.stored import Store
from proxy.store.circuit import Circuit
from proxy.store.redis import RedisStore
from proxy.store.redis_claims import RedisClaims
from tests.support.redis_server import redis_server
from tests.support.stored import put, said

K = b"k" * 16
LEASE = b"l" * 16


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
        put(one, K, b"x", claim=claim, labels=[b"red"])
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


async def test_who_is_cancelled_while_a_lease_is_taken_gives_it_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = asyncio.Event()
    async with redis_server() as server:
        one, two = (RedisStore(server.url, 0.0) for _ in range(2))
        assert isinstance(one.claims, RedisClaims)
        take = one.claims._take

        async def endless(*what: object) -> None:
            await take(*what)
            taken.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(one.claims, "_take", endless)
        task = asyncio.create_task(one.claims.take(LEASE))
        await taken.wait()
        assert await two.claims.holder(LEASE)
        task.cancel()
        await asyncio.wait((task,))
        await asyncio.gather(*one._calls._tasks)
        assert not await two.claims.holder(LEASE)
        for each in (one, two):
            await each.close()


async def test_tokens_that_could_not_be_given_back_are_known_no_longer_than_they_last() -> None:
    now = 1000.0
    store = RedisStore("redis://127.0.0.1:1", 5.0, lambda: now)
    assert isinstance(store.claims, RedisClaims)
    for token in (b"1", b"2"):
        store.claims._keep(token)
    now += LEASE_TIME + 1
    store.claims._keep(b"3")
    assert [*store.claims._ended] == [b"3"]
    await store.close()
