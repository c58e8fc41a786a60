"""Which entry answers, where a request may have its owner's and everybody's."""

import asyncio
from typing import Any

import pytest

from proxy.core.errors import ConnectFailed
from proxy.core.stored import NOT_KNOWN, UNANSWERED
from proxy.store.memory import MemoryStore
from tests.support.caching import Caching, fresh
from tests.support.loop import JumpingLoop, get, post, reply
from tests.support.samples import told

PUBLIC = (b"Cache-Control", b"public, max-age=60")


def by(name: bytes) -> tuple[bytes, bytes]:
    return (b"X-Api-Key", name)


async def test_many_owners_do_not_drive_one_another_out(jumping: JumpingLoop) -> None:
    caching = Caching(*[fresh(60, b"%d" % number) for number in range(200)])
    for _ in range(2):
        for number in range(200):
            assert (await caching.ask_for(by(b"%d" % number))).body == b"%d" % number


async def test_what_many_ask_for_stays_whoever_else_asks(jumping: JumpingLoop) -> None:
    caching = Caching(*[fresh(60, b"%d" % number) for number in range(200)])
    assert (await caching.ask()).body == b"0"
    for number in range(1, 200):
        await caching.ask_for(by(b"%d" % number))
    assert (await caching.ask()).body == b"0"


@pytest.mark.parametrize("owner_first", [True, False])
async def test_of_an_owners_and_everybodys_the_newer_one_answers(
    jumping: JumpingLoop, *, owner_first: bool
) -> None:
    own, public = fresh(60, b"own"), reply(200, [PUBLIC], b"public")
    caching = Caching(*((own, public) if owner_first else (public, own)))
    asks: list[Any] = [(by(b"a"),), (by(b"b"),)]
    if owner_first:
        assert (await caching.ask_for(*asks[0])).body == b"own"
        await asyncio.sleep(2)
        assert (await caching.ask_for(*asks[1])).body == b"public"
        assert (await caching.ask_for(*asks[0])).body == b"public"
    else:
        assert (await caching.ask_for(*asks[0])).body == b"public"
        await asyncio.sleep(2)
        again = (by(b"a"), (b"Cache-Control", b"no-cache"))
        assert (await caching.ask_for(*again)).body == b"own"
        assert (await caching.ask_for(*asks[0])).body == b"own"
        assert (await caching.ask_for(*asks[1])).body == b"public"


async def test_a_write_makes_those_of_all_owners_invalid(jumping: JumpingLoop) -> None:
    caching = Caching(fresh(60, b"a"), fresh(60, b"b"), reply(204), fresh(60), fresh(60))
    for name in (b"a", b"b"):
        assert (await caching.ask_for(by(name))).body == name
    await caching.ask(post("/", b"x"))
    for name in (b"a", b"b"):
        assert (await caching.ask_for(by(name))).body == b"body"


async def test_an_owners_entry_is_validated_and_freshened_where_it_stands(
    jumping: JumpingLoop,
) -> None:
    tag = (b"ETag", b'"a"')
    confirmed = reply(304, [(b"Cache-Control", b"max-age=60"), tag])
    caching = Caching(fresh(5, b"own", tag), confirmed)
    await caching.ask_for(by(b"a"))
    await asyncio.sleep(10)
    assert (await caching.ask_for(by(b"a"))).cache.startswith("fwd=stale; fwd-status=304")
    assert (await caching.ask_for(by(b"a"))).cache == "hit; ttl=60"


async def test_an_entry_that_becomes_everybodys_is_stored_anew(jumping: JumpingLoop) -> None:
    tag = (b"ETag", b'"a"')
    caching = Caching(fresh(5, b"own", tag), reply(304, [PUBLIC, tag]), fresh(60, b"new", tag))
    await caching.ask_for(by(b"a"))
    await asyncio.sleep(10)
    assert (await caching.ask_for(by(b"a"))).body == b"own"
    assert (await caching.ask_for(by(b"a"))).body == b"new"


async def test_a_stale_entry_of_an_owner_is_refreshed_behind_it(jumping: JumpingLoop) -> None:
    caching = Caching(fresh(5, b"old"), fresh(60, b"new"), stale_while_revalidate=60.0)
    await caching.ask_for(by(b"a"))
    await asyncio.sleep(10)
    assert (await caching.ask(get(headers=[by(b"a")]))).body == b"old"
    await asyncio.sleep(1)
    assert (await caching.ask_for(by(b"a"))).body == b"new"


class Silent(MemoryStore):
    """Does not say what it has under one of the keys that are looked at, the first time."""

    answer = NOT_KNOWN

    def __init__(self, look: int) -> None:
        super().__init__(1 << 20)
        self.look = look

    async def get(self, key: bytes) -> Any:
        self.look -= 1
        return self.answer if self.look == 0 else await super().get(key)


@pytest.mark.parametrize(
    ("fields", "look", "control"),
    [
        ((), 1, b"max-age=60"),
        ((by(b"a"),), 1, b"public, max-age=60"),
        ((by(b"a"),), 2, b"max-age=60"),
    ],
    ids=["without owner", "for everybody", "for the owner"],
)
async def test_nobody_says_that_nothing_is_stored_where_the_store_does_not_say_it(
    jumping: JumpingLoop, fields: Any, look: int, control: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = Silent(0)
    monkeypatch.setattr("tests.support.caching.MemoryStore", lambda _: silent)
    life = [(b"Cache-Control", control)]
    caching = Caching(reply(200, life, b"old"), reply(200, life, b"new"))
    assert (await caching.ask_for(*fields)).cache.startswith("fwd=uri-miss")
    silent.look = look
    answer = await caching.ask_for(*fields)
    assert (answer.body, answer.cache) == (b"new", "fwd=miss; fwd-status=200; stored")
    assert (await caching.ask_for(*fields)).body == b"new"
    # It has taken the place of the old one, though that was not seen when it was asked for.
    assert [told(silent)[name] for name in ("store_entries", "store_evicted")] == [1, 0]


@pytest.mark.parametrize("answer", [NOT_KNOWN, UNANSWERED], ids=["not known", "unanswered"])
async def test_a_store_that_does_not_answer_is_not_asked_again_for_what_is_the_owners(
    jumping: JumpingLoop, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    silent = Silent(0)
    silent.answer = answer
    monkeypatch.setattr("tests.support.caching.MemoryStore", lambda _: silent)
    caching = Caching(ConnectFailed)
    silent.look = 1
    with pytest.raises(ConnectFailed):
        await caching.ask_for(by(b"a"))
    assert silent.look == -2  # and two more, when the error was about to be the answer


@pytest.mark.parametrize("outcome", [ConnectFailed("no"), reply(503, [], b"sorry")])
@pytest.mark.parametrize("answer", [NOT_KNOWN, UNANSWERED], ids=["not known", "unanswered"])
async def test_where_the_store_did_not_answer_it_is_asked_again_before_a_failure_is_the_answer(
    jumping: JumpingLoop, monkeypatch: pytest.MonkeyPatch, answer: Any, outcome: Any
) -> None:
    silent = Silent(0)
    silent.answer = answer
    monkeypatch.setattr("tests.support.caching.MemoryStore", lambda _: silent)
    caching = Caching(fresh(5, b"old"), outcome, stale_if_error=60.0)
    await caching.ask()
    await asyncio.sleep(6)
    silent.look = 1
    came = await caching.ask()
    assert (came.status, came.body) == (200, b"old")
    assert "stale-if-error" in came.cache


class Held(MemoryStore):
    """Finds something, and says so when ``gate`` is set."""

    gate: asyncio.Event | None = None

    async def get(self, key: bytes) -> Any:
        found = await super().get(key)
        gate, self.gate = self.gate, None
        if gate is not None:
            await gate.wait()
        return found


@pytest.mark.parametrize("owner", [(), (by(b"a"),)], ids=["anybody's", "an owner's"])
@pytest.mark.parametrize("kind", ["cold", "expired", "validated"])
async def test_a_call_that_ends_during_a_look_up_is_not_made_once_more(
    jumping: JumpingLoop, monkeypatch: pytest.MonkeyPatch, kind: str, owner: Any
) -> None:
    held = Held(1 << 20)
    monkeypatch.setattr("tests.support.caching.MemoryStore", lambda _: held)
    life, tag = (b"Cache-Control", b"max-age=60"), (b"ETag", b'"a"')
    answer = reply(304, [life]) if kind == "validated" else fresh(60, b"body")
    caching = (
        Caching((1, answer)) if kind == "cold" else Caching(fresh(5, b"body", tag), (1, answer))
    )
    if kind != "cold":
        await caching.ask_for(*owner)
        await asyncio.sleep(6)
    before = caching.script.sends
    first = asyncio.create_task(caching.ask_for(*owner))
    await asyncio.sleep(0.5)
    gate = held.gate = asyncio.Event()
    second = asyncio.create_task(caching.ask_for(*owner))
    await first
    gate.set()
    assert ((await second).body, (await second).cache[:3]) == (b"body", "hit")
    assert caching.script.sends == before + 1


EARLIER = (b"Date", b"Tue, 14 Nov 2023 22:00:00 GMT")


async def test_what_may_be_used_goes_before_what_is_newer_and_stale(jumping: JumpingLoop) -> None:
    """Clocks of servers differ, and caches before us send what they had."""
    old = [(b"Cache-Control", b"public, max-age=5000"), EARLIER]
    caching = Caching(fresh(5, b"own"), reply(200, old, b"public"))
    await caching.ask_for(by(b"a"))
    await asyncio.sleep(10)
    for _ in range(3):
        assert (await caching.ask_for(by(b"a"))).body == b"public"


async def test_a_head_removes_an_owners_entry_that_is_another_one_now(jumping: JumpingLoop) -> None:
    caching = Caching(
        fresh(60, b"own", (b"ETag", b'"a"')),
        reply(200, [(b"Cache-Control", b"max-age=60"), (b"ETag", b'"b"')], b""),
        fresh(60, b"new"),
    )
    await caching.ask_for(by(b"a"))
    await caching.ask(get(method="HEAD", headers=[by(b"a"), (b"Cache-Control", b"no-cache")]))
    assert (await caching.ask_for(by(b"a"))).body == b"new"


async def test_an_owners_new_reply_takes_the_place_of_the_old_one(jumping: JumpingLoop) -> None:
    caching = Caching(fresh(60, b"old"), fresh(60, b"new"))
    await caching.ask_for(by(b"a"))
    await caching.ask_for(by(b"a"), (b"Cache-Control", b"no-cache"))
    assert [told(caching.store)[name] for name in ("store_entries", "store_evicted")] == [1, 0]
    assert (await caching.ask_for(by(b"a"))).body == b"new"


async def test_an_owner_is_answered_with_the_fields_of_the_304(jumping: JumpingLoop) -> None:
    confirmed = reply(304, [(b"Cache-Control", b"max-age=60"), (b"X-New", b"1")])
    caching = Caching(fresh(5, b"own", (b"ETag", b'"a"')), confirmed)
    await caching.ask_for(by(b"a"))
    await asyncio.sleep(10)
    assert (await caching.ask_for(by(b"a"))).value(b"x-new") == b"1"


async def test_what_may_be_used_on_an_error_goes_before_what_is_newer(jumping: JumpingLoop) -> None:
    old = [(b"Cache-Control", b"public, max-age=5, stale-if-error=9000"), EARLIER]
    strict = [(b"Cache-Control", b"max-age=5, must-revalidate")]
    caching = Caching(reply(200, old, b"public"), reply(200, strict, b"own"), reply(503))
    await caching.ask_for(by(b"b"))
    await caching.ask_for(by(b"a"), (b"Cache-Control", b"no-cache"))
    await asyncio.sleep(20)
    assert (await caching.ask_for(by(b"a"))).body == b"public"


async def test_an_owner_whose_request_failed_keeps_nobody_else_from_asking(
    jumping: JumpingLoop,
) -> None:
    caching = Caching(
        fresh(5, b"a"), fresh(5, b"b"), reply(503), fresh(60, b"new"), stale_if_error=600.0
    )
    for name in (b"a", b"b"):
        await caching.ask_for(by(name))
    await asyncio.sleep(10)
    assert (await caching.ask_for(by(b"a"))).body == b"a"
    assert (await caching.ask_for(by(b"b"))).body == b"new"
    assert (await caching.ask_for(by(b"a"))).cache.endswith("detail=stale-if-error")


async def test_what_may_be_used_while_the_server_is_asked_goes_before_what_is_newer(
    jumping: JumpingLoop,
) -> None:
    old = [(b"Cache-Control", b"public, max-age=5, stale-while-revalidate=9000"), EARLIER]
    caching = Caching(reply(200, old, b"public"), fresh(5, b"own"), fresh(60, b"new"))
    await caching.ask_for(by(b"b"))
    await caching.ask_for(by(b"a"), (b"Cache-Control", b"no-cache"))
    await asyncio.sleep(20)
    assert (await caching.ask_for(by(b"a"))).body == b"public"
