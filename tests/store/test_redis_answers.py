"""What becomes of answers of Redis that are refusals, or of no shape that was asked for."""

import asyncio

import pytest
from redis.exceptions import MaxConnectionsError

from proxy.core.stored import UNANSWERED, StoreFailed
from proxy.store.redis import RedisStore
from proxy.store.redis_calls import RedisCalls
from tests.support.fake_redis import fake_redis
from tests.support.loop import JumpingLoop, loop_clock
from tests.support.names import system_names


@pytest.mark.parametrize(
    "word", ["OOM no", "READONLY no", "MISCONF no", "NOPERM no", "NOSCRIPT no", "MOVED 1 a:1"]
)
async def test_a_refusal_is_an_answer(word: str, caplog: pytest.LogCaptureFixture) -> None:
    async with fake_redis(f"-{word}\r\n".encode()) as redis:
        calls = RedisCalls(redis.url, 60.0, loop_clock())
        for _ in range(5):
            with pytest.raises(StoreFailed):
                await calls.ask(lambda: calls.client.set("a", "b"))
        assert not calls.circuit.is_open
        [line] = caplog.messages
        assert line.startswith("store: Redis refuses (")
        await calls.close()


ODD = [b"+OK\r\n", b":1\r\n", b":" + b"9" * 5000 + b"\r\n", b"%1\r\n:1\r\n:2\r\n", b"~1\r\n:1\r\n"]
ODD += [
    b":abc\r\n",
    b"*3\r\n+a\r\n+b\r\n+c\r\n",
    b"*2\r\n:1\r\n:2\r\n",
    b"*2\r\n-ERR x\r\n-ERR y\r\n",
    b"*2\r\n,inf\r\n,inf\r\n",
]


@pytest.mark.parametrize("answer", ODD)
async def test_an_answer_of_another_shape_is_a_miss(answer: bytes) -> None:
    async with fake_redis(answer) as redis:
        store = RedisStore(redis.url, 60.0)
        found = await store.get(b"k" * 16)
        assert found is UNANSWERED or not found
        await store.claims.take(b"lease")
        await store.claims.holder(b"lease")
        await store.delete(b"k" * 16)
        await store.close()


async def test_what_comes_beyond_the_connections_waits(jumping: JumpingLoop) -> None:
    calls, under_way, most = RedisCalls("redis://a?max_connections=2", 9.0, loop_clock()), 0, 0

    async def work() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(1)
        under_way -= 1

    await asyncio.gather(*(calls.ask(work) for _ in range(8)))
    assert most == 2
    await calls.close()


async def test_too_few_connections_are_no_fault_of_redis(jumping: JumpingLoop) -> None:
    calls = RedisCalls("redis://a?max_connections=1", 0.05, loop_clock())
    held = asyncio.create_task(calls.quietly(lambda: asyncio.sleep(1)))
    await asyncio.sleep(0)

    async def none_left() -> None:
        raise MaxConnectionsError

    for _ in range(5):
        with pytest.raises(StoreFailed, match="in use"):
            await calls.ask(lambda: asyncio.sleep(0))
    await held
    for _ in range(5):
        with pytest.raises(StoreFailed):
            await calls.ask(none_left)
    assert not calls.circuit.is_open
    await calls.close()


@pytest.mark.parametrize(("query", "limit"), [("", None), ("?socket_timeout=3", 3.0)])
async def test_a_send_has_no_limit_beside_ours(query: str, limit: float | None) -> None:
    calls = RedisCalls("redis://a" + query, 1.0, loop_clock())
    assert calls.client.connection_pool.make_connection().socket_timeout == limit
    await calls.close()


async def test_openings_are_a_line_in_ten_seconds(
    jumping: JumpingLoop, caplog: pytest.LogCaptureFixture
) -> None:
    calls = RedisCalls("redis://a", 0.05, loop_clock())
    for _ in range(5):
        for _ in range(3):
            with pytest.raises(StoreFailed):
                await calls.ask(lambda: asyncio.sleep(1))
        assert calls.circuit.is_open
        await asyncio.sleep(1)
        await calls.ask(lambda: asyncio.sleep(0))
    assert len([line for line in caplog.messages if "does not answer" in line]) == 1
    await calls.close()


X = b"$1\r\nx\r\n"
REPLICAS = [
    b"-READONLY You can't write against a read only replica.\r\n",
    b"-MASTERDOWN Link with MASTER is down\r\n",
    b"-ERR Error running script (call to f_1): @user_script:1: -READONLY You can't write\r\n",
]


async def asked(calls: RedisCalls, times: int) -> list[object]:
    """What as many questions at once come to."""
    work = [calls.quietly(lambda: calls.client.get("a")) for _ in range(times)]
    return list(await asyncio.gather(*work))


@pytest.mark.parametrize("says", REPLICAS)
async def test_where_redis_is_a_replica_now_its_name_is_looked_up_again_for_all_connections(
    says: bytes,
) -> None:
    """Its name leads to the new primary, and nothing ends the connections to the old one."""
    with system_names(redis=["127.0.0.1"]) as names:
        async with fake_redis(X) as old, fake_redis(X, "127.0.0.2", old.port) as new:
            calls = RedisCalls(f"redis://redis.test:{old.port}", 60.0, lambda: 100.0)
            assert await asked(calls, 4) == [b"x"] * 4
            names.answers["redis.test"] = ["127.0.0.2"]
            old.answer = says
            assert await asked(calls, 2) == [None] * 2  # two others are idle meanwhile
            assert await asked(calls, 4) == [b"x"] * 4
            assert len(old.connections) == len(new.connections) == 4
            async with asyncio.timeout(60):
                await asyncio.gather(*(each.wait_closed() for each in old.connections))
            await calls.close()


async def test_a_replica_that_stays_one_has_new_connections_once_in_five_seconds() -> None:
    now = 100.0
    async with fake_redis(REPLICAS[0]) as redis:
        calls = RedisCalls(redis.url, 60.0, lambda: now)
        for _ in range(10):
            assert await asked(calls, 1) == [None]
        assert len(redis.connections) == 2
        now += 5
        for _ in range(10):
            assert await asked(calls, 1) == [None]
        assert len(redis.connections) == 3
        await calls.close()
