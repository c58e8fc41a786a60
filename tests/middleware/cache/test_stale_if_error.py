"""A stale entry is the answer where the upstream fails, or the time of the request is over."""

import asyncio
from typing import Any

import msgspec
import pytest

from proxy.core.errors import ConnectFailed, ResponseTimeout
from proxy.core.exchange import Handler
from proxy.core.reply import Ending, Reply
from proxy.core.stored import StoreFailed
from proxy.http.fields import RawHeaders
from proxy.middleware.deadline.deadline import Deadline
from proxy.middleware.deadline.options import DeadlineOptions
from proxy.middleware.total import Total
from proxy.store.memory_entry import MemoryEntry
from tests.support.caching import Caching, fresh
from tests.support.loop import JumpingLoop, get, loop_clock, reply
from tests.support.pieces import Pieces, body

pytestmark = pytest.mark.usefixtures("nothing_left")

HANGS = (900, reply(200, [], b"late"))
LONG = bytes(range(256)) * 1024
OF_CLIENT = [(b"X-Request-Timeout-Ms", b"2000")]


async def caching(control: bytes = b"max-age=5") -> tuple[Caching, Handler]:
    """With an entry that has been stale for five seconds; what asks has two seconds."""
    made = Caching(
        reply(200, [(b"Cache-Control", control)], b"old"), HANGS, HANGS, stale_if_error=60.0
    )
    await made.ask()
    await asyncio.sleep(10)
    total = Total(made.cache.handle, 2)
    return made, Deadline(total.handle, DeadlineOptions(), clock=loop_clock()).handle


@pytest.mark.parametrize("fields", [(), OF_CLIENT], ids=["total", "deadline"])
async def test_a_stale_reply_is_the_answer_where_the_time_is_over(
    jumping: JumpingLoop, fields: RawHeaders
) -> None:
    made, ask = await caching()
    began = jumping.time()
    for waited in (2, 2):  # the second is answered at once
        exchange = get(headers=fields)
        assert await body(await ask(exchange)) == b"old"
        assert jumping.time() - began == waited
        assert "detail=stale-if-error" in exchange.record.cache
        assert exchange.error == ""
    await asyncio.sleep(2)  # the rest is over
    assert await body(await ask(get(headers=fields))) == b"old"
    assert made.script.sends == 3


@pytest.mark.parametrize(
    ("control", "fields"),
    [(b"max-age=5, must-revalidate", []), (b"max-age=5", [(b"Cache-Control", b"no-cache")])],
)
async def test_what_may_not_be_used_on_an_error_is_not_used_then(
    control: bytes, fields: RawHeaders
) -> None:
    _, ask = await caching(control)
    exchange = get(headers=fields)
    with pytest.raises(ResponseTimeout):
        await ask(exchange)
    assert exchange.record.at_hand is None


async def test_a_client_that_leaves_gets_nothing() -> None:
    made, ask = await caching()
    exchange = get()
    asking = asyncio.ensure_future(ask(exchange))
    await asyncio.sleep(1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert exchange.record.cache == ""
    assert made.cache.counts["stale"] == 0


class Slow(MemoryEntry):
    """Gives nothing of its body at once, but after so many seconds."""

    seconds: float = 0.0

    async def read(self, position: int, *, first: bool = False) -> bytes:
        if first:
            raise StoreFailed("not in time")
        await asyncio.sleep(self.seconds)
        return await super().read(position)


async def slow(seconds: float, *outcomes: Any) -> Caching:
    """A cache whose store has one such entry, which is stale."""
    caching = Caching(fresh(0, LONG), *outcomes, stale_if_error=60.0)
    await caching.ask()
    [entry] = list(caching.store._trial.values())
    late = Slow(*msgspec.structs.astuple(entry))
    late.seconds = seconds
    caching.store._keys[entry.key] = late
    caching.store._trial[entry.ident] = late
    return caching


@pytest.mark.parametrize("outcome", [ConnectFailed("no"), reply(503, [], b"sorry")])
async def test_a_store_that_is_slow_is_better_than_a_failure(outcome: Any) -> None:
    answer = await (await slow(4, outcome)).ask()
    assert (answer.status, answer.body) == (200, LONG)
    assert "stale-if-error" in answer.cache


async def test_but_a_failure_is_better_than_a_store_that_does_not_answer() -> None:
    caching, loop = await slow(3600, reply(503, [], b"sorry")), asyncio.get_running_loop()
    began = loop.time()
    assert (await caching.ask()).status == 503
    assert loop.time() - began == 5


async def test_a_client_that_leaves_while_the_store_is_slow_ends_the_failed_reply() -> None:
    pieces = Pieces(b"sorry", first_after=3600)
    caching = await slow(3600, Reply(503, [], pieces))
    asking = asyncio.ensure_future(caching.ask())
    await asyncio.sleep(1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert pieces.ending is Ending.ABANDONED
