"""Which failure of an attempt is the last one."""

import asyncio
from typing import Any

import pytest

from proxy.core.cache_options import CacheOptions
from proxy.core.duration import Duration
from proxy.core.errors import ConnectFailed, ConnectionTerminated, ResponseTimeout, Stage
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.core.stored import Entry
from proxy.middleware.cache.asked import Asked, asked_by
from proxy.middleware.cache.expiring_keys import ExpiringKeys
from proxy.middleware.cache.filling import Rules
from proxy.middleware.cache.sufficing import Suffices
from tests.support.caching import Caching, fresh, settled, time_of_day
from tests.support.loop import JumpingLoop, get, loop_clock, reply

LIFE = (b"Cache-Control", b"max-age=60")


def suffices(entry: Entry | None = None, method: str = "GET") -> Suffices:
    now = time_of_day()
    rules = Rules(CacheOptions(stale_if_error=Duration(60)), "/", now)
    asked = asked_by(get(method=method), lambda *_: b"k")
    return Suffices(rules, now, asked, entry, ExpiringKeys(loop_clock(), 10.0))


async def stale() -> Entry:
    """An entry that may be used in the place of an error."""
    caching = Caching(fresh(0), stale_if_error=60.0)
    await caching.ask()
    [entry] = caching.store._trial.values()
    return entry


@pytest.mark.parametrize(
    ("came", "by_itself", "with_stale"),
    [
        (reply(503), False, True),
        (reply(429), False, True),
        (reply(503, [LIFE]), True, True),
        (reply(429, [LIFE]), False, True),
        (reply(404, [LIFE]), False, False),
        (ConnectFailed(), False, True),
        (ResponseTimeout(), False, True),
        (ConnectionTerminated(""), False, True),
        (ConnectionTerminated("", stage=Stage.STALE), False, False),
    ],
    ids=range(9),
)
async def test_the_last_attempt(
    jumping: JumpingLoop, came: Any, by_itself: bool, with_stale: bool
) -> None:
    assert suffices()(came) is by_itself
    entry = await stale()
    assert suffices(entry)(came) is with_stale
    came.alternative_ready = True
    assert not suffices(entry)(came)


@pytest.mark.parametrize(
    ("fields", "status", "after", "last"),
    [
        ([], 503, 5.0, True),
        ([], 503, 11.0, False),
        ([], 502, 5.0, False),
        ([(b"Cache-Control", b"max-age=0")], 503, 5.0, False),
        ([(b"Cache-Control", b"no-store")], 503, 5.0, False),
    ],
    ids=range(5),
)
async def test_an_error_that_follows_one_that_stays(
    jumping: JumpingLoop,
    fields: list[tuple[bytes, bytes]],
    status: int,
    after: float,
    last: bool,
) -> None:
    asked = suffices()
    assert asked(reply(503, [LIFE]))
    await asyncio.sleep(after)
    assert asked(reply(status, fields)) is last


async def test_an_error_to_a_post_is_never_stored(jumping: JumpingLoop) -> None:
    assert not suffices(method="POST")(reply(503, [LIFE]))


async def test_a_request_leaves_no_cycle(jumping: JumpingLoop) -> None:
    caching = Caching(reply(503, [LIFE]))
    exchange = get()
    await caching.ask(exchange)
    assert exchange.suffices is not None
    held = [getattr(exchange.suffices, name) for name in Suffices.__slots__]
    assert not any(isinstance(each, Asked) or each is exchange for each in held)


async def test_behind_a_stale_answer_it_is_tried_again(jumping: JumpingLoop) -> None:
    found: list[bool] = []

    async def looks(exchange: Exchange) -> Reply:
        assert exchange.suffices is not None
        found.append(exchange.suffices(reply(503)))
        return fresh(60)

    said = (b"Cache-Control", b"max-age=0, stale-while-revalidate=60")
    caching = Caching(reply(200, [said], b"old"), looks)
    await caching.ask()
    assert (await caching.ask()).body == b"old"
    await settled()
    assert found == [False]
