"""One process asks for all; real ones do in `tests/wire/test_cache_crowds.py`."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any
from unittest.mock import AsyncMock

import pytest

from proxy.core.duration import Duration
from proxy.core.record import ELSEWHERE, PERMIT
from proxy.core.reply import NoMoreBytes, Reply
from proxy.core.stored import NOT_KNOWN, UNANSWERED, Claim, Entry
from proxy.middleware.cache.asked import Asked, asked_by
from proxy.middleware.cache.keying import Keys
from proxy.middleware.cache.leasing import Leases, entry_of, handed
from proxy.middleware.cache.lookup import LOST, find
from proxy.middleware.coalesce.coalesce import Coalesce
from proxy.middleware.coalesce.options import CoalesceOptions
from proxy.middleware.coalesce.shared_reply import MemoryBudget
from proxy.policy.freshness import Freshness
from proxy.policy.key_changes import Changes
from proxy.store.memory import MemoryStore
from tests.support.caching import time_of_day
from tests.support.loop import Script, get, loop_clock
from tests.support.stored import put

pytestmark = pytest.mark.usefixtures("nothing_left")


class Others:
    """The leases of other processes, which a test gives and takes."""

    shared = True

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self.has: dict[bytes, bytes] = {}
        self.names: list[bytes] = []
        self.renewed = 0

    async def take(self, name: bytes = b"") -> Claim:
        claim = Claim(self._changes.now, name)
        if name:
            self.names.append(name)
            if name in self.has:
                claim.held_by = self.has[name]
            else:
                claim.token = self.has[name] = b"own"
        return claim

    def take_later(self) -> Claim:
        return Claim(self._changes.now)

    async def holder(self, name: bytes) -> bytes:
        return self.has.get(name, b"")

    def renew(self, claim: Claim) -> None:
        self.renewed += 1

    def give_back(self, claim: Claim) -> None:
        self.has.pop(claim.name, None)


class Waiting:
    """A process that asks while another one does."""

    def __init__(self, wait_timeout: float = 0.0) -> None:
        self.store = MemoryStore(1 << 20)
        self.others = Others(self.store.changes)
        self.store.claims = self.others
        self.counts: Counter[str] = Counter()
        self.sharing = Coalesce(
            Script(),
            CoalesceOptions(wait_timeout=Duration(wait_timeout)),
            MemoryBudget(),
            set(),
            clock=loop_clock(),
        )
        clock = loop_clock()
        self.leases = Leases(self.store, time_of_day(), clock, self.sharing, self.counts)

    def asked(self, *fields: tuple[bytes, bytes]) -> Asked:
        return asked_by(get("/a", fields), Keys("api").of)

    def begin(self, asked: Asked, *, alone: bool = False) -> "asyncio.Task[Claim | Entry]":
        begun = self.leases.begin(asked, None, asked.exchange, alone=alone)
        return asyncio.get_running_loop().create_task(begun)

    async def other_takes(self, asked: Asked) -> bytes:
        """The name of the lease that another process has from now on."""
        claim = await self.leases.begin(asked, None, asked.exchange, alone=False)
        assert isinstance(claim, Claim)
        self.others.has[claim.name] = b"other"
        return claim.name

    def stores(self, asked: Asked, lifetime: float = 60.0) -> None:
        now = time_of_day()()
        fresh = Freshness(now, 0.0, lifetime, False, False, 0.0, 0.0)
        put(self.store, asked.key, b"body", freshness=fresh, vary=[])


@pytest.mark.parametrize("answer", [NOT_KNOWN, UNANSWERED], ids=["not known", "unanswered"])
async def test_a_store_that_has_not_answered_is_asked_for_no_lease(
    answer: Sequence[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or each request would wait twice for a store that hangs."""
    waiting = Waiting()
    monkeypatch.setattr(MemoryStore, "get", AsyncMock(return_value=answer))
    asked = waiting.asked()
    assert await find(waiting.store, asked, time_of_day()) == (None, LOST)
    claim = await waiting.begin(asked)
    assert isinstance(claim, Claim)
    assert bool(claim.token) is bool(waiting.others.names) is (answer is NOT_KNOWN)


async def test_a_request_waits_for_another_process_and_gets_what_that_has_stored() -> None:
    waiting = Waiting()
    asked = waiting.asked()
    name = await waiting.other_takes(asked)
    begun = waiting.begin(asked)
    await asyncio.sleep(100)  # it renews its lease
    assert not begun.done()
    record = asked.exchange.record
    waits = record.wait
    assert waits is not None
    assert waits.what == ELSEWHERE
    waiting.stores(asked)
    del waiting.others.has[name]
    found = await begun
    assert not isinstance(found, Claim)
    assert await found.read(0) == b"body"
    assert record.wait is None
    assert record.queue_s >= 100
    assert waiting.counts["lease_waits"] == 1


@pytest.mark.parametrize("stored", ["nothing", "stale"])
async def test_a_wait_in_vain_is_followed_by_none_for_a_minute(stored: str) -> None:
    waiting = Waiting()
    asked = waiting.asked()
    name = await waiting.other_takes(asked)
    begun = waiting.begin(asked)
    await asyncio.sleep(1)
    if stored == "stale":
        waiting.stores(asked, lifetime=0.0)
    waiting.others.has[name] = b"a third one"  # the one that was waited for has ended
    claim = await begun
    assert isinstance(claim, Claim)
    assert not claim.token  # it asks all the same
    assert isinstance(await waiting.begin(asked), Claim)
    await asyncio.sleep(61)
    again = waiting.begin(asked)
    await asyncio.sleep(1)
    assert not again.done()
    del waiting.others.has[name]
    assert isinstance(await again, Claim)


async def test_whoever_waits_in_vain_has_the_lease_next() -> None:
    waiting = Waiting()
    asked = waiting.asked()
    name = await waiting.other_takes(asked)
    begun = waiting.begin(asked)
    await asyncio.sleep(1)
    del waiting.others.has[name]
    claim = await begun
    assert isinstance(claim, Claim)
    assert claim.token


async def test_nobody_waits_longer_than_wait_timeout() -> None:
    waiting = Waiting(wait_timeout=2.0)
    asked = waiting.asked()
    await waiting.other_takes(asked)
    began = loop_clock()()
    claim = await waiting.begin(asked)
    assert isinstance(claim, Claim)
    assert 2.0 <= loop_clock()() - began <= 3.0


async def test_a_client_that_leaves_waits_no_more() -> None:
    waiting = Waiting()
    asked = waiting.asked()
    await waiting.other_takes(asked)
    begun = waiting.begin(asked)
    await asyncio.sleep(1)
    begun.cancel()
    with pytest.raises(asyncio.CancelledError):
        await begun


@pytest.mark.parametrize(
    ("fields", "alone"),
    [
        ([], True),
        ([(b"Cache-Control", b"no-cache")], False),
        ([(b"Cache-Control", b"no-store")], False),
    ],
)
async def test_who_shares_nothing_waits_for_nobody(
    fields: list[tuple[bytes, bytes]], alone: bool
) -> None:
    waiting = Waiting()
    asked = waiting.asked(*fields)
    claim = await waiting.leases.begin(asked, None, asked.exchange, alone=alone)
    assert isinstance(claim, Claim)
    assert not waiting.others.names


async def test_requests_that_do_not_share_a_call_do_not_share_a_lease() -> None:
    waiting = Waiting()
    one = await waiting.other_takes(waiting.asked((b"Cookie", b"a=1"), (b"Traceparent", b"1")))
    same = await waiting.other_takes(Waiting().asked((b"Accept", b"x")))
    assert one != same
    begun = waiting.begin(waiting.asked((b"Cookie", b"a=2")))
    assert isinstance(await begun, Claim)
    begun = waiting.begin(waiting.asked((b"Traceparent", b"2"), (b"cookie", b"a=1")))
    await asyncio.sleep(1)
    assert not begun.done()
    del waiting.others.has[one]
    await begun


async def test_a_lease_is_renewed_while_the_upstream_is_asked() -> None:
    waiting = Waiting()
    asked = waiting.asked()
    claim = await waiting.begin(asked)
    assert isinstance(claim, Claim)
    with waiting.leases.renewing(claim, asked.exchange.record):
        await asyncio.sleep(4)
    assert waiting.others.renewed == 1
    await asyncio.sleep(35)
    assert waiting.others.renewed == 1
    assert await waiting.others.holder(claim.name)


@pytest.mark.parametrize(("queued", "kept"), [(0, 5), (30, 35)])
async def test_a_lease_is_given_back_where_nothing_comes(queued: int, kept: int) -> None:
    waiting = Waiting()
    asked = waiting.asked()
    claim = await waiting.begin(asked)
    assert isinstance(claim, Claim)
    record = asked.exchange.record
    with waiting.leases.renewing(claim, record):
        if queued:  # the others would wait as well
            with record.waiting(PERMIT, loop_clock()):
                await asyncio.sleep(queued)
        await asyncio.sleep(kept - queued - 0.5)
        assert await waiting.others.holder(claim.name)
        await asyncio.sleep(1)
        assert not await waiting.others.holder(claim.name)
        renewed = waiting.others.renewed
        await asyncio.sleep(60)
    assert waiting.others.renewed == renewed


async def test_a_wait_that_follows_on_silence_renews_a_lease_no_more_often() -> None:
    waiting = Waiting()
    asked = waiting.asked()
    claim = await waiting.begin(asked)
    assert isinstance(claim, Claim)
    record = asked.exchange.record
    with waiting.leases.renewing(claim, record):
        await asyncio.sleep(4.99)
        with record.waiting(PERMIT, loop_clock()):
            await asyncio.sleep(30)
        assert waiting.others.renewed <= 12
        assert await waiting.others.holder(claim.name)
        await asyncio.sleep(4)  # its silence was over
        assert not await waiting.others.holder(claim.name)


async def test_what_has_waited_before_it_has_a_lease_has_been_silent_for_no_time() -> None:
    waiting = Waiting()
    asked = waiting.asked()
    claim = await waiting.begin(asked)
    assert isinstance(claim, Claim)
    asked.exchange.record.queue_s = 40.0
    with waiting.leases.renewing(claim, asked.exchange.record):
        await asyncio.sleep(4.5)
        assert await waiting.others.holder(claim.name)
        await asyncio.sleep(1)
        assert not await waiting.others.holder(claim.name)


async def test_a_reply_may_stand_for_an_entry() -> None:
    waiting = Waiting()
    asked = waiting.asked()
    waiting.stores(asked)
    [entry] = await waiting.store.get(asked.key)
    assert entry_of(handed(entry)) is entry
    assert entry_of(Reply(200, [], NoMoreBytes())) is None
    assert entry_of(Reply(200, [(b"A", b"b")], NoMoreBytes())) is None
