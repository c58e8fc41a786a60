"""Entries whose body the store has lost: they are misses, as long as nothing has been sent."""

import asyncio
import contextlib
from typing import Any

import msgspec
import pytest

from proxy.core.errors import ConnectFailed, NotCached, ReplyBroken
from proxy.store.memory_entry import SHORT, MemoryEntry
from tests.support.caching import Caching, fresh
from tests.support.loop import get, reply

LONG = bytes(range(256)) * 1024
TAG = (b"ETag", b'"a"')


pytestmark = pytest.mark.usefixtures("jumping")


async def lost(seconds: int, *outcomes: Any, keep: int = 0, **options: Any) -> Caching:
    """A cache that has an entry, of whose body ``keep`` pieces are left."""
    caching = Caching(fresh(seconds, LONG, TAG), *outcomes, **options)
    assert (await caching.ask()).body == LONG
    [entry] = list(caching.store._trial.values())
    del entry.pieces[keep:]
    return caching


@pytest.mark.parametrize(
    "fields", [[], [(b"Range", b"bytes=9-")], [(b"Range", b"bytes=0-1,9-")]], ids=range(3)
)
async def test_a_hit_is_a_miss(fields: list[tuple[bytes, bytes]]) -> None:
    caching = await lost(60, fresh(60, b"new"))
    answer = await caching.ask_for(*fields)
    assert (answer.body, answer.cache) == (b"new", "fwd=miss; fwd-status=200; stored")
    assert (await caching.ask()).body == b"new"


async def test_nothing_is_lost_on_a_head() -> None:
    caching = await lost(60)
    assert (await caching.ask(get(method="HEAD"))).status == 200
    assert (await caching.ask_for((b"If-None-Match", b'"a"'))).status == 304


async def test_only_if_cached_is_refused() -> None:
    caching = await lost(60)
    with pytest.raises(NotCached):
        await caching.ask_for((b"Cache-Control", b"only-if-cached"))


async def test_what_is_confirmed_is_asked_for_once_more() -> None:
    caching = await lost(0, reply(304, [TAG]), fresh(60, b"new"))
    answer = await caching.ask()
    assert (answer.body, answer.cache) == (b"new", "fwd=miss; fwd-status=200; stored")


async def test_a_stale_reply_is_asked_for() -> None:
    caching = await lost(0, fresh(60, b"new"), fresh(60, b"newer"), stale_while_revalidate=60.0)
    assert (await caching.ask()).body in (b"new", b"newer")


@pytest.mark.parametrize("outcome", [ConnectFailed("no"), reply(503, [], b"sorry")])
async def test_a_failure_is_no_better_for_it(outcome: Any) -> None:
    caching = await lost(0, outcome, stale_if_error=60.0)
    exchange = get()
    if isinstance(outcome, ConnectFailed):
        with pytest.raises(ConnectFailed):
            await caching.ask(exchange)
        assert exchange.record.cache == ""
    else:
        answer = await caching.ask(exchange)
        assert (answer.status, answer.body) == (503, b"sorry")
        assert "stale-if-error" not in exchange.record.cache


@pytest.mark.parametrize("fields", [[], [(b"Range", b"bytes=9-")]], ids=["whole", "range"])
@pytest.mark.parametrize(
    ("seconds", "outcomes", "options"),
    [
        (60, [fresh(60, b"new")], {}),
        (0, [fresh(60, b"new")], {"stale_while_revalidate": 60.0}),
        (0, [reply(304, [TAG]), fresh(60, b"new")], {}),
        (0, [reply(304, [TAG]), ConnectFailed("no")], {}),
        (0, [ConnectFailed("no")], {"stale_if_error": 60.0}),
        (0, [reply(503, [], b"sorry")], {"stale_if_error": 60.0}),
    ],
    ids=["hit", "stale", "confirmed", "confirmed in vain", "error", "503"],
)
async def test_it_counts_as_a_miss_alone(
    seconds: int, outcomes: list[Any], options: dict[str, Any], fields: list[tuple[bytes, bytes]]
) -> None:
    caching = await lost(seconds, *outcomes, fresh(60, b"newer"), **options)
    caching.cache.counts.clear()
    exchange = get(headers=fields)
    with contextlib.suppress(ConnectFailed):
        await caching.ask(exchange)
    counts = caching.cache.counts
    assert (counts.pop("misses"), counts.pop("stored", 0) <= 2, +counts) == (1, True, {})
    assert not exchange.record.cache.startswith("hit")


@pytest.mark.parametrize("outcomes", [[ConnectFailed("no")], []], ids=["failure", "no upstream"])
async def test_a_lost_hit_that_ends_in_an_error_is_logged_as_no_hit(outcomes: list[Any]) -> None:
    caching = await lost(60, *outcomes)
    exchange = get(headers=[] if outcomes else [(b"Cache-Control", b"only-if-cached")])
    with pytest.raises(ConnectFailed if outcomes else NotCached):
        await caching.ask(exchange)
    assert exchange.record.cache == ""


async def test_a_crowd_asks_for_what_is_confirmed_once_more_in_one_call() -> None:
    caching = await lost(0, (1, reply(304, [TAG])), (1, fresh(60, b"new")))
    answers = await asyncio.gather(*(caching.ask() for _ in range(300)))
    assert {answer.body for answer in answers} == {b"new"}
    assert caching.script.sends == 3


async def test_a_paced_stream_is_a_miss_too() -> None:
    events = [(b"Content-Type", b"text/event-stream"), (b"Cache-Control", b"max-age=60")]
    content = b"data: %b\n\n" % (b"x" * SHORT * 2)
    caching = Caching(reply(200, events, content), fresh(60, b"new"), replay="paced")
    await caching.ask()
    [entry] = list(caching.store._trial.values())
    entry.pieces.clear()
    assert (await caching.ask()).body == b"new"


async def test_what_is_lost_later_cuts_and_one_line_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caching = await lost(60, keep=1)
    with pytest.raises(ReplyBroken):
        await caching.ask()
    [line] = caplog.messages
    assert line.startswith("cache: a client was cut, since the rest of a stored reply is lost: ")


async def test_the_store_is_hurried_only_until_something_is_sent() -> None:
    caching = await lost(60, keep=9)
    [entry] = list(caching.store._trial.values())
    hurried: list[bool] = []

    class Watched(MemoryEntry):
        async def read(self, position: int, *, first: bool = False) -> bytes:
            hurried.append(first)
            return bytes(await super().read(position, first=first))

    watched = Watched(*msgspec.structs.astuple(entry))
    caching.store._keys[entry.key] = caching.store._trial[entry.ident] = watched
    assert (await caching.ask()).body == LONG
    assert hurried == [True, False, False, False]
