"""What comes of a request that the store cannot answer."""

from typing import Any

import pytest

from proxy.core.errors import ConnectFailed
from proxy.middleware.cache.asked import Asked, asked_by
from proxy.store.memory_entry import MemoryEntry
from tests.support.caching import Caching, fresh
from tests.support.loop import get, reply
from tests.support.pieces import body

LONG = bytes(range(256)) * 1024
TAG = (b"ETag", b'"a"')

pytestmark = pytest.mark.usefixtures("nothing_left")


async def stored(caching: Caching) -> tuple[Asked, MemoryEntry]:
    """A request, and the entry for it that the first outcome has made."""
    await caching.ask()
    asked = asked_by(get(), caching.cache._keys.of)
    [entry] = caching.store._trial.values()
    return asked, entry


async def test_a_reply_is_a_miss_and_says_why_the_store_had_no_answer() -> None:
    caching = Caching(reply(200, [], b"new"))
    asked = asked_by(get(), caching.cache._keys.of)
    answer = await caching.cache._forwarding.ask(asked, None, "uri-miss")
    assert await body(answer) == b"new"
    assert asked.exchange.record.cache.startswith("fwd=uri-miss; fwd-status=200")
    assert caching.cache.counts["misses"] == 1


async def test_an_error_is_a_miss_where_no_entry_stands_in() -> None:
    caching = Caching(fresh(0, b"old", TAG), ConnectFailed)
    asked, entry = await stored(caching)
    with pytest.raises(ConnectFailed):
        await caching.cache._forwarding.ask(asked, entry, "stale")
    assert caching.cache.counts["misses"] == 2


async def test_a_304_answers_from_the_entry() -> None:
    caching = Caching(fresh(0, b"old", TAG), reply(304, [TAG]))
    asked, entry = await stored(caching)
    answer = await caching.cache._forwarding.ask(asked, entry, "stale")
    assert (answer.status, await body(answer)) == (200, b"old")
    assert caching.cache.counts["revalidated"] == 1


async def test_a_refresh_gives_what_the_upstream_says() -> None:
    caching = Caching(fresh(0, b"old", TAG), reply(304, [TAG]))
    asked, entry = await stored(caching)
    assert (await caching.cache._forwarding.refresh(asked, entry)).status == 304
    assert caching.script.sends == 2


async def test_what_another_process_has_stored_and_lost_is_a_miss() -> None:
    caching = Caching(fresh(60, LONG, TAG), fresh(60, b"new"))
    asked, entry = await stored(caching)
    entry.pieces.clear()
    caching.cache.counts.clear()
    answer = await caching.cache._forwarding._from_elsewhere(asked, entry, "uri-miss")
    assert await body(answer) == b"new"
    counts = caching.cache.counts
    assert (counts["misses"], counts["collapsed"], counts["hit_bytes"]) == (1, 0, 0)
    assert not asked.exchange.record.coalesced


async def test_a_call_that_waits_for_no_other_process_is_none_that_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What joined the other one would be handed the same lost entry once more."""
    caching = Caching(*[fresh(60, b"new")] * 2)
    marks: list[bytes] = []
    kind = type(caching.cache._forwarding._sharing)
    usual: Any = kind.share

    async def share(*given: Any) -> Any:
        marks.append(given[3])
        return await usual(*given)

    monkeypatch.setattr(kind, "share", share)
    asked = asked_by(get(), caching.cache._keys.of)
    for alone in (False, True):
        (await caching.cache._forwarding._shared(asked, None, "uri-miss", alone=alone)).drop()
    assert len(set(marks)) == 2
