"""What is counted of an answer, and what its client and the log are told of it."""

from collections import Counter

import pytest

from proxy.middleware.cache.asked import asked_by
from proxy.middleware.cache.counted_answers import CountedAnswers
from proxy.middleware.cache.fetching import told
from tests.support.caching import Caching, fresh, time_of_day
from tests.support.loop import get, reply
from tests.support.pieces import body

LONG = bytes(range(256)) * 1024

pytestmark = pytest.mark.usefixtures("jumping")


def answers() -> tuple[CountedAnswers, Counter[str]]:
    counts: Counter[str] = Counter()
    return CountedAnswers(counts, time_of_day()), counts


@pytest.mark.parametrize("lost", [False, True])
async def test_an_answer_from_an_entry_counts_if_its_body_is_there(lost: bool) -> None:
    caching = Caching(fresh(60, LONG))
    await caching.ask()
    made, counts = answers()
    asked = asked_by(get(), caching.cache._keys.of)
    [entry] = caching.store._trial.values()
    if lost:
        entry.pieces.clear()
    answer = await made.from_entry(asked, entry, time_of_day()(), "hit", "stale")
    if lost:
        assert (answer, +counts, asked.exchange.record.cache) == (None, {}, "")
    else:
        assert answer is not None
        assert await body(answer) == LONG
        assert counts == {"stale": 1, "hit_bytes": len(LONG)}
        assert asked.exchange.record.cache == "hit"


@pytest.mark.parametrize(
    ("shares", "words", "collapsed"),
    [(False, "fwd=uri-miss; stored", 0), (True, "fwd=uri-miss; collapsed", 1)],
)
async def test_only_the_client_that_asked_has_stored_a_shared_reply(
    shares: bool, words: str, collapsed: int
) -> None:
    made, counts = answers()
    exchange = get()
    exchange.record.coalesced = shares
    came = told(reply(200, [], b"x"), "fwd=uri-miss; stored")
    answer = made.from_upstream(exchange, came)
    assert answer.headers[-1] == (b"Cache-Status", b"sidecar-proxy; " + words.encode())
    assert exchange.record.cache == words
    assert counts["collapsed"] == collapsed


async def test_a_reply_without_cache_status_is_passed_on_as_it_is() -> None:
    made, counts = answers()
    exchange = get()
    came = reply(304, [(b"ETag", b'"a"')])
    assert made.from_upstream(exchange, came).headers == [(b"ETag", b'"a"')]
    assert (exchange.record.cache, +counts) == ("", {})
