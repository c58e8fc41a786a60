"""What stands in Redis and is not what was written: a miss, or whole."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from proxy.core.stored import StoreFailed
from proxy.store.parts import PIECE
from proxy.store.redis import RedisStore
from tests.support.redis_server import RedisServer
from tests.support.stored import body_of, put

ONE, OTHER = b"1" * 16, b"2" * 16
LONG = b"a" * PIECE + b"b" * PIECE + b"end"


async def stored(server: RedisServer, key: bytes, body: bytes) -> RedisStore:
    """A store that has this reply."""
    store = RedisStore(server.url, 0)
    put(store, key, body)
    async with asyncio.timeout(30):
        while not await store.get(key):  # noqa: ASYNC110 - nobody waits for what is written
            await asyncio.sleep(0.005)
    return store


async def changed(
    store: RedisStore, key: bytes, change: Callable[[bytes], bytes], to: bytes = b""
) -> None:
    """Have another text in the place of that of the only entry."""
    name = store._names.entries(key)
    [(ident, text)] = (await store._client.hgetall(name)).items()
    await store._client.hset(store._names.entries(to or key), ident, change(text))


def other_size(text: bytes) -> bytes:
    """With a body that is shorter than its head says."""
    row: list[Any] = msgspec.msgpack.decode(text[4:])
    row[3] = b"s"
    return text[:4] + msgspec.msgpack.encode(row)


@pytest.mark.parametrize(
    "change",
    [
        other_size,
        lambda text: text[:-1],
        lambda text: text.replace(b"short", b"shirt"),
        lambda text: b"",
        lambda text: text[4:],
    ],
    ids=["size", "end", "body", "nothing", "no checksum"],
)
async def test_a_row_that_is_damaged_is_a_miss(
    server: RedisServer, change: Callable[[bytes], bytes]
) -> None:
    store = await stored(server, ONE, b"short")
    await changed(store, ONE, change)
    assert not await store.get(ONE)
    await store.close()


async def test_a_row_that_stands_under_another_key_is_a_miss(server: RedisServer) -> None:
    store = await stored(server, ONE, b"short")
    await changed(store, ONE, lambda text: text, to=OTHER)
    assert not await store.get(OTHER)
    assert [await body_of(entry) for entry in await store.get(ONE)] == [b"short"]
    await store.close()


async def swap(store: RedisStore, one: bytes, other: bytes) -> None:
    await store._client.set(other, await store._client.get(one))


async def cut(store: RedisStore, _: bytes, other: bytes) -> None:
    await store._client.set(other, (await store._client.get(other))[:-1])


async def longer(store: RedisStore, _: bytes, other: bytes) -> None:
    await store._client.append(other, b"more")


@pytest.mark.parametrize("damage", [swap, cut, longer])
async def test_a_part_that_is_damaged_is_lost(
    server: RedisServer, damage: Callable[[RedisStore, bytes, bytes], Awaitable[None]]
) -> None:
    store = await stored(server, ONE, LONG)
    [entry] = await store.get(ONE)
    names = [store._names.part(entry.ident, number) for number in range(3)]
    await damage(store, names[0], names[1])
    assert await entry.read(0) == LONG[:PIECE]
    with pytest.raises(StoreFailed):
        await entry.read(PIECE)
    await store.close()


async def test_a_part_of_another_reply_is_lost(server: RedisServer) -> None:
    store = await stored(server, ONE, LONG)
    other = await stored(server, OTHER, LONG[::-1])
    [[one], [two]] = await store.get(ONE), await other.get(OTHER)
    await swap(store, store._names.part(two.ident, 0), store._names.part(one.ident, 0))
    with pytest.raises(StoreFailed):
        await one.read(0)
    assert await body_of(two) == LONG[::-1]
    for each in (store, other):
        await each.close()
