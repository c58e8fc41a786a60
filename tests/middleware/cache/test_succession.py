"""Which of the replies that are under way at the same time stays stored."""

import asyncio
from collections.abc import Callable

import pytest

from proxy.core.reply import Reply
from proxy.core.stored import Meta
from proxy.http.date import date_of
from proxy.middleware.cache.succession import is_newer
from proxy.policy.freshness import Freshness
from tests.support.caching import Caching, fresh
from tests.support.loop import JumpingLoop, reply

EARLY, LATE = b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sun, 06 Nov 1994 08:49:38 GMT"
START = date_of(EARLY) or 0.0


def meta(date: bytes, came: float = 0.0, lifetime: float = 60.0, *, validate: bool = False) -> Meta:
    """Of a reply that came ``came`` seconds after the start."""
    fresh = Freshness(START + came, 0.0, lifetime, False, validate, 0.0, 0.0)
    fields = ((b"Date", date),) if date else ()
    return Meta(200, b"OK", fields, fresh, (), b"", False, False, (), [])


@pytest.mark.parametrize(
    ("stored", "found", "asked_at", "newer"),
    [
        # both were under way
        (meta(LATE, 5), meta(EARLY, 6), 1, True),
        (meta(EARLY, 5), meta(LATE, 6), 1, False),
        (meta(EARLY, 6), meta(EARLY, 5), 1, True),
        (meta(EARLY, 5), meta(EARLY, 6), 1, False),
        (meta(EARLY, 5), meta(EARLY, 5), 1, False),
        (meta(b"x", 6), meta(b"", 5), 1, True),
        (meta(LATE, 5, 0), meta(EARLY, 6), 1, True),
        # it was there before
        (meta(LATE, 1), meta(EARLY, 6), 5, True),
        (meta(EARLY, 1), meta(EARLY, 6), 5, False),
        (meta(LATE, 1, 2), meta(EARLY, 6), 5, False),
        (meta(LATE, 1, validate=True), meta(EARLY, 6), 5, False),
    ],
    ids=range(11),
)
def test_the_newer_one(stored: Meta, found: Meta, asked_at: float, newer: bool) -> None:
    assert is_newer(stored, found, START + asked_at, START + 7) is newer


def test_a_date_in_the_future_makes_nothing_newer() -> None:
    future = b"Fri, 06 Nov 2094 08:49:37 GMT"
    assert not is_newer(meta(future, 1), meta(LATE, 6), START + 5, START + 7)


@pytest.mark.parametrize(
    ("came", "ends", "newer"),
    [
        (3600, 7, False),  # stored before the clock was set back
        (12, 7, True),  # within what the clocks of machines may differ by
        (3600, 3601, True),  # both were under way: the body of this one took an hour
    ],
)
def test_what_was_stored_by_a_clock_that_was_ahead_gives_way(
    came: float, ends: float, newer: bool
) -> None:
    stored = meta(LATE, came)
    assert is_newer(stored, meta(EARLY, 6), START + 5, START + ends) is newer


NO_STORE = (b"Cache-Control", b"no-store")
PRIVATE = (b"Cache-Control", b"private")


@pytest.mark.parametrize("asking", [b"max-age=0", b"min-fresh=99"])
@pytest.mark.parametrize(
    "answer",
    [
        lambda: reply(200, [NO_STORE], b"2"),
        lambda: reply(200, [PRIVATE], b"2"),
        lambda: reply(404, [NO_STORE], b"2"),
    ],
    ids=["no-store", "private", "404"],
)
async def test_what_the_upstream_withdraws_at_a_reload_is_not_used_again(
    jumping: JumpingLoop, asking: bytes, answer: Callable[[], Reply]
) -> None:
    caching = Caching(fresh(60, b"1"), answer(), fresh(60, b"3"))
    assert (await caching.ask()).body == b"1"
    await asyncio.sleep(1)
    assert (await caching.ask_for((b"Cache-Control", asking))).body == b"2"
    assert (await caching.ask()).body == b"3"


@pytest.mark.parametrize("asking", [b"max-age=0", b"no-cache"])
async def test_an_answer_that_is_too_old_when_it_comes_takes_the_place_of_what_was_stored(
    jumping: JumpingLoop, asking: bytes
) -> None:
    caching = Caching(fresh(60, b"1"), fresh(60, b"2", (b"Age", b"70")), fresh(60, b"3"))
    assert (await caching.ask()).body == b"1"
    await asyncio.sleep(1)
    assert (await caching.ask_for((b"Cache-Control", asking))).body == b"2"
    assert (await caching.ask()).body == b"3"
