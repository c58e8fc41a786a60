"""One call of the upstream for the cache."""

import pytest

from proxy.core.errors import ConnectFailed
from tests.support.caching import Caching, fresh
from tests.support.loop import JumpingLoop, get, reply

TAG = (b"ETag", b'"a"')


async def test_a_call_that_fails_leaves_the_request_as_it_was(jumping: JumpingLoop) -> None:
    caching = Caching(fresh(0, b"body", TAG), ConnectFailed)
    await caching.ask()
    exchange = get(headers=[(b"If-None-Match", b'"client"')])
    with pytest.raises(ConnectFailed):
        await caching.ask(exchange)
    assert exchange.headers == [(b"If-None-Match", b'"client"')]


async def test_a_304_that_ends_the_storing_still_answers(jumping: JumpingLoop) -> None:
    caching = Caching(
        fresh(0, b"body", TAG), reply(304, [(b"Cache-Control", b"no-store")]), fresh(60, b"new")
    )
    await caching.ask()
    assert (await caching.ask()).body == b"body"
    assert (await caching.ask()).body == b"new"


async def test_a_new_reply_takes_the_place_of_the_old_one(jumping: JumpingLoop) -> None:
    caching = Caching(fresh(0, b"old", TAG), fresh(60, b"new", TAG))
    await caching.ask()
    await caching.ask()
    [entries] = caching.store._keys.values()
    assert [entry.whole for entry in entries] == [b"new"]


async def test_what_says_nothing_of_age_is_asked_for_again_with_its_validator(
    jumping: JumpingLoop,
) -> None:
    caching = Caching(reply(200, [TAG], b"body"), reply(304, [TAG]))
    assert (await caching.ask()).cache.endswith("stored")
    assert (await caching.ask()).cache == "fwd=stale; fwd-status=304"
