"""Many clients that ask at the same time."""

import asyncio
from typing import Any

import pytest

from proxy.core.exchange import Exchange
from proxy.middleware.cache.labels import label
from tests.support.caching import Caching, dropped, fresh
from tests.support.loop import JumpingLoop, get, reply
from tests.support.pieces import Pieces, body, streaming

pytestmark = pytest.mark.usefixtures("nothing_left")

TAG = (b"ETag", b'"a"')


@pytest.mark.parametrize("kind", ["cold", "expired", "validated"])
async def test_a_crowd_asks_once(kind: str) -> None:
    answer: Any = reply(304, [(b"Cache-Control", b"max-age=60")]) if kind == "validated" else None
    second = (3, answer or fresh(60, b"body"))
    caching = Caching(second) if kind == "cold" else Caching(fresh(5, b"body", TAG), second)
    if kind != "cold":
        await caching.ask()
        await asyncio.sleep(6)
    before = caching.script.sends
    answers = await asyncio.gather(*(caching.ask() for _ in range(1000)))
    assert {each.body for each in answers} == {b"body"}
    assert caching.script.sends == before + 1
    assert sum("collapsed" in each.cache for each in answers) == 999
    assert (await caching.ask()).cache.startswith("hit")


async def test_who_joins_late_streams_what_is_being_stored() -> None:
    pieces = Pieces(b"one ", b"two ", b"three")
    source = streaming(pieces)
    source.headers = [(b"Cache-Control", b"max-age=60")]
    caching = Caching(source)
    first = await caching.cache.handle(get())
    assert await first.read() == b"one "
    second = await caching.cache.handle(get())
    await dropped(first)  # the first one's leaving costs nobody anything
    assert await body(second) == b"one two three"
    answer = await caching.ask()
    assert (answer.body, answer.cache) == (b"one two three", "hit; ttl=56")
    assert caching.script.sends == 1


async def test_what_nobody_read_to_its_end_is_not_stored() -> None:
    source = streaming(Pieces(b"one", b"two"))
    source.headers = [(b"Cache-Control", b"max-age=60")]
    caching = Caching(source, fresh(60, b"whole"))
    came = await caching.cache.handle(get())
    assert await came.read() == b"one"
    await dropped(came)
    assert (await caching.ask()).body == b"whole"


@pytest.mark.parametrize(
    ("kind", "value"),
    [("route", b"/"), ("path", b"/a"), ("path", b"/api/a"), ("url", b"http://proxy.test /api/a")],
)
async def test_who_asks_after_a_removal_shares_no_call_from_before_it(
    jumping: JumpingLoop, kind: str, value: bytes
) -> None:
    caching = Caching((5, fresh(60, b"old")), (1, fresh(60, b"new")))

    def asking() -> Exchange:
        exchange = get("/api/a")
        exchange.host = "proxy.test"
        exchange.path, exchange.target = "/a", b"/a"  # the prefix is stripped
        return exchange

    first = asyncio.create_task(caching.ask(asking()))
    await asyncio.sleep(1)
    await caching.store.purge(label(kind.encode(), value))
    assert (await caching.ask(asking())).body == b"new"
    assert (await first).body == b"old"
    assert (await caching.ask(asking())).body == b"new"
