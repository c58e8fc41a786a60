"""One call of the upstream for the cache."""

import asyncio
from typing import Any
from unittest.mock import AsyncMock

import pytest

from proxy.core.errors import ConnectFailed
from proxy.core.exchange import Exchange
from proxy.core.reply import Reply
from proxy.core.stored import UNANSWERED, Claim
from proxy.policy.key_changes import Changes
from proxy.store.memory import MemoryStore
from proxy.store.own_claims import OwnClaims
from tests.support.caching import Caching, fresh, settled, time_of_day
from tests.support.loop import JumpingLoop, get, loop_clock, reply
from tests.support.pieces import Pieces
from tests.support.samples import told

TAG = (b"ETag", b'"a"')
LIFE = (b"Cache-Control", b"max-age=60")


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


async def test_a_304_with_the_date_of_an_older_file_confirms_nothing(jumping: JumpingLoop) -> None:
    """A server that was rolled back says 304 to the date of the file that it has no more."""
    old, new = ((b"Last-Modified", b"Mon, 0%d Jan 2024 00:00:00 GMT" % day) for day in (1, 8))
    caching = Caching(fresh(0, b"new", new), reply(304, [old]), fresh(60, b"old", old))
    await caching.ask()
    back = await caching.ask()
    assert (back.body, back.value(b"last-modified")) == (b"old", old[1])
    assert back.cache == "fwd=stale; fwd-status=200; stored"
    part = await caching.ask_for((b"Range", b"bytes=1-"), (b"If-Range", old[1]))
    assert (part.status, part.body) == (206, b"ld")


async def test_a_new_reply_takes_the_place_of_the_old_one(jumping: JumpingLoop) -> None:
    caching = Caching(fresh(0, b"old", TAG), fresh(60, b"new", TAG))
    await caching.ask()
    await caching.ask()
    [entry] = caching.store._trial.values()
    assert entry.whole == b"new"


async def test_what_says_nothing_of_age_is_asked_for_again_with_its_validator(
    jumping: JumpingLoop,
) -> None:
    caching = Caching(reply(200, [TAG], b"body"), reply(304, [TAG]))
    assert (await caching.ask()).cache.endswith("stored")
    assert (await caching.ask()).cache == "fwd=stale; fwd-status=304"


@pytest.mark.parametrize(
    ("method", "waits", "second"),
    [
        ("GET", "get", fresh(60, b"new", TAG)),
        ("GET", "touch", reply(304, [TAG])),
        ("GET", "delete", reply(410, [(b"Cache-Control", b"no-store")])),
        ("HEAD", "touch", fresh(60, b"old", TAG)),
        ("HEAD", "delete", reply(200, [(b"ETag", b'"b"')])),
    ],
)
async def test_a_client_that_leaves_while_the_store_is_waited_for_leaves_no_reply_open(
    jumping: JumpingLoop, monkeypatch: pytest.MonkeyPatch, method: str, waits: str, second: Reply
) -> None:
    """It would hold its connection to the upstream, and its permit, for good."""
    caching = Caching(fresh(0, b"old", TAG), second)
    await caching.ask()
    looked_up = asyncio.Event()
    stuck = asyncio.Event()
    real = getattr(MemoryStore, waits)

    async def slow(store: MemoryStore, *arguments: Any) -> Any:
        if waits == "get" and not looked_up.is_set():
            looked_up.set()
            return await real(store, *arguments)
        stuck.set()
        return await asyncio.Event().wait()

    monkeypatch.setattr(MemoryStore, waits, slow)
    leaving = asyncio.create_task(caching.ask(get(method=method)))
    await stuck.wait()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await settled()
    assert second.closed


async def test_what_was_stored_before_the_clock_was_set_back_is_replaced(
    jumping: JumpingLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart: a process of its own does not set its clock back."""
    real = time_of_day()
    monkeypatch.setattr("tests.support.caching.time_of_day", lambda: lambda: real() + 86400)
    before = Caching(fresh(60, b"old"))
    await before.ask()
    monkeypatch.undo()
    after = Caching(fresh(60, b"new"), store=before.store)
    assert (await after.ask()).cache == "fwd=stale; fwd-status=200; stored"
    assert (await after.ask()).body == b"new"


@pytest.mark.parametrize(("room", "most"), [(3 << 10, 0), (3 << 10, 8 << 10), (1 << 20, 3 << 10)])
@pytest.mark.parametrize("by_length", [True, False])
async def test_what_is_longer_than_all_the_room_is_said_to_be_too_large(
    jumping: JumpingLoop, room: int, most: int, *, by_length: bool
) -> None:
    """Also where a worker has a part of the room only; before, it was said to be stored."""
    long = bytes(4 << 10)
    length = len(long) if by_length else None
    replies = [reply(200, [LIFE], long) for _ in range(2)]
    for each in replies:
        each.length = length
    caching = Caching(*replies, store=MemoryStore(room), max_object=most)
    for _ in range(2):
        answer = await caching.ask()
        assert (answer.body, answer.cache) == (
            long,
            "fwd=uri-miss; fwd-status=200; detail=too-large",
        )


class Late(OwnClaims):
    """Of a store that processes share, which says after a second when a request began."""

    def take_later(self) -> Claim:
        claim = super().take_later()
        asyncio.get_running_loop().call_later(1.0, setattr, claim, "order", 1)
        return claim


@pytest.mark.parametrize(("took", "kept"), [(2.0, "stored"), (0.5, "detail=not-kept")])
async def test_what_a_store_did_not_answer_for_is_stored_if_it_answers_before_the_upstream(
    jumping: JumpingLoop, monkeypatch: pytest.MonkeyPatch, took: float, kept: str
) -> None:
    store = MemoryStore(1 << 20)
    store.claims = Late(store.changes)
    store.claims.shared = True
    caching = Caching((took, fresh(60, b"new")), store=store)
    with monkeypatch.context() as silent:
        silent.setattr(MemoryStore, "get", AsyncMock(return_value=UNANSWERED))
        asked = asyncio.ensure_future(caching.ask())
        await asyncio.sleep(0.1)
    answer = await asked
    assert answer.cache == f"fwd=miss; fwd-status=200; {kept}"
    assert told(store)["store_entries"] == (kept == "stored")


class Leased(OwnClaims):
    """Of a store that processes share, which gives one lease after the other."""

    def __init__(self, changes: Changes) -> None:
        super().__init__(changes)
        self.shared = True
        self.held: list[Claim] = []

    async def take(self, name: bytes = b"") -> Claim:
        claim = await super().take(name)
        claim.token, claim.order = b"own", 1
        self.held.append(claim)
        return claim

    def give_back(self, claim: Claim) -> None:
        self.held.remove(claim)


async def test_nobody_waits_for_a_reply_that_is_here_and_not_stored(jumping: JumpingLoop) -> None:
    store = MemoryStore(1 << 20)
    store.claims = claims = Leased(store.changes)
    ending = reply(200, [LIFE], b"body")
    ending.trailers = lambda: [(b"X-End", b"1")]
    answer = await Caching(ending, store=store).ask()
    assert answer.cache == "fwd=uri-miss; fwd-status=200; detail=trailers"
    assert claims.held == []


@pytest.mark.parametrize("most", [0, 8 << 10])
@pytest.mark.parametrize("whole", [True, False])
async def test_what_is_said_to_be_stored_is_stored_near_the_bound_too(
    jumping: JumpingLoop, most: int, *, whole: bool
) -> None:
    """The head of a reply takes room as well."""
    said = set()
    for short in (0, 1, 100, 1000, 1400, 2000, 3000):
        store = MemoryStore(8 << 10)
        long = bytes((8 << 10) - short)
        answer = reply(200, [LIFE], long) if whole else in_parts([LIFE], long)
        found = (await Caching(answer, store=store, max_object=most).ask()).cache.split("; ")[-1]
        said.add(found)
        assert told(store)["store_entries"] == (found == "stored"), short
    assert said == {"stored", "detail=too-large"}


def in_parts(fields: Any, data: bytes) -> Reply:
    """A reply of a known length whose body is still to come."""
    return Reply(200, fields, Pieces(data), length=len(data))


def sent_after(waited: float, took: float, came: Reply) -> Any:
    """An attempt that waits in the proxy, is sent, and then answered."""

    async def attempt(exchange: Exchange) -> Reply:
        await asyncio.sleep(waited)
        exchange.record.sent_at = loop_clock()()
        await asyncio.sleep(took)
        return came

    return attempt


@pytest.mark.parametrize(
    ("waited", "took", "age"), [(30.0, 0.0, 0), (30.0, 2.0, 2), (0.0, 30.0, 30)]
)
async def test_what_the_proxy_itself_waited_is_no_part_of_the_age(
    jumping: JumpingLoop, waited: float, took: float, age: int
) -> None:
    """For a permit, for another attempt or for a server: the reply was made after that."""
    for second in (fresh(60, b"body", TAG), reply(304, [TAG, LIFE])):
        caching = Caching(fresh(0, b"body", TAG), sent_after(waited, took, second))
        await caching.ask()
        await caching.ask()
        found = await caching.ask()
        assert (found.body, found.value(b"age")) == (b"body", b"%d" % age)
    caching = Caching(fresh(0, b"body", TAG), sent_after(waited, took, fresh(60, b"body", TAG)))
    await caching.ask()
    await caching.ask(get(method="HEAD"))
    assert (await caching.ask()).value(b"age") == b"%d" % age


async def test_a_request_that_was_not_sent_is_as_old_as_its_wait(jumping: JumpingLoop) -> None:
    async def answered_elsewhere(exchange: Exchange) -> Reply:
        exchange.record.sent_at = began  # of another attempt, before
        await asyncio.sleep(7)
        return fresh(60)

    began = loop_clock()()
    await asyncio.sleep(5)
    caching = Caching(answered_elsewhere)
    await caching.ask()
    assert (await caching.ask()).value(b"age") == b"7"
