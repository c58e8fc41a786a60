"""What shared replies may keep."""

import asyncio

import pytest

from proxy.core.errors import InternalError, ReplyBroken
from proxy.core.exchange import Exchange
from proxy.core.reply import Ending, Reply
from proxy.middleware.coalesce import coalesce
from proxy.middleware.coalesce.shared_reply import MemoryBudget
from tests.middleware.coalesce.test_coalesce import asked, shared
from tests.support.loop import JumpingLoop, Script, get, reply
from tests.support.pieces import Pieces, body, streaming
from tests.support.samples import told


async def test_memory_is_bounded_and_who_falls_behind_is_cut(jumping: JumpingLoop) -> None:
    big = bytes(1 << 20)
    room = MemoryBudget()
    inner = shared(Script(streaming(Pieces(*[big] * 40)), reply(body=b"new")), room)
    fast, slow = await inner.handle(get()), await inner.handle(get())
    most = taken = 0
    while chunk := await fast.read():
        taken += len(chunk)
        most = max(most, room.used)
    assert taken == 40 << 20
    assert most <= 17 << 20
    with pytest.raises(ReplyBroken, match="too slow"):
        await body(slow)
    fast.close(Ending.COMPLETE)
    assert room.used == 0


async def test_a_reply_that_has_got_too_long_is_joined_no_more(jumping: JumpingLoop) -> None:
    big = bytes(1 << 20)
    script = Script(streaming(Pieces(*[big] * 20)), reply(body=b"new"))
    inner = shared(script)
    first = await inner.handle(get())
    for _ in range(18):
        await first.read()
    assert await asked(inner) == b"new"
    first.close(Ending.ABANDONED)


async def test_with_no_room_left_little_is_kept(jumping: JumpingLoop) -> None:
    big = bytes(1 << 20)
    room = MemoryBudget(limit=2 << 20)
    inner = shared(Script(streaming(Pieces(*[big] * 9))), room)
    answer = await inner.handle(get())
    most = 0
    while await answer.read():
        most = max(most, room.used)
    assert most <= 3 << 20
    answer.close(Ending.COMPLETE)


async def test_who_reads_alone_is_never_too_slow(jumping: JumpingLoop) -> None:
    """Others may have filled the room."""
    inner = shared(Script(streaming(Pieces(*[bytes(4 << 10)] * 200))), MemoryBudget(limit=1))
    answer = await inner.handle(get())
    await asyncio.sleep(300)
    assert len(await body(answer)) == 200 * (4 << 10)


async def test_tiny_chunks_do_not_cost_many_times_their_size(jumping: JumpingLoop) -> None:
    room = MemoryBudget()
    inner = shared(Script(streaming(Pieces(*[b"xy"] * 100))), room)
    answer = await inner.handle(get())
    for _ in range(100):
        await answer.read()
    assert room.used == 100 * 66
    assert told(room) == {"coalesced_bytes": 100 * 66}
    answer.close(Ending.ABANDONED)
    assert room.used == 0


async def test_a_call_that_is_cancelled_from_within_is_nobodys_any_more(
    jumping: JumpingLoop,
) -> None:
    async def cancelled(_: Exchange) -> Reply:
        raise asyncio.CancelledError

    inner = shared(Script((1, cancelled), reply(body=b"new")))
    with pytest.raises(InternalError, match="given up"):
        await asked(inner)
    assert await asked(inner) == b"new"


TRAILERS = [(b"Server-Timing", b"a")]


async def test_what_may_not_be_shared_is_known_for_a_minute(jumping: JumpingLoop) -> None:
    own = [reply(headers=[(b"Set-Cookie", b"a=1")]) for _ in range(3)]
    script = Script(*own, (1, reply(body=b"all")))
    inner = shared(script)
    await asked(inner)
    await asyncio.sleep(59)
    await asyncio.gather(asked(inner), asked(inner))
    assert inner.bypassed == {"private": 2}
    await asyncio.sleep(2)
    assert set(await asyncio.gather(asked(inner), asked(inner))) == {b"all"}
    assert script.sends == 4


async def test_what_may_not_be_shared_is_known_of_a_few_requests(
    jumping: JumpingLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients choose what they ask; the oldest gives way."""
    monkeypatch.setattr(coalesce, "_MAX_REMEMBERED", 2)
    inner = shared(Script(*[reply(headers=[(b"Set-Cookie", b"a=1")]) for _ in range(6)]))
    for target in ("/1", "/2", "/3", "/3", "/2", "/1"):
        await asked(inner, get(target))
    assert inner.bypassed == {"private": 2}
    assert inner.counts["calls"] == 4


async def test_what_was_seen_again_is_the_last_to_give_way(
    jumping: JumpingLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two calls for one key may be under way: of the first one nothing had come."""
    monkeypatch.setattr(coalesce, "_MAX_REMEMBERED", 2)
    inner = shared(Script())
    for key in ("a", "b", "a", "c"):
        inner._remember((key,))
    assert list(inner._unshareable) == [hash(("a",)), hash(("c",))]


async def test_trailers_of_a_reply_that_is_here_as_a_whole_are_each_ones(
    jumping: JumpingLoop,
) -> None:
    """They are asked for before the connection is at its next reply."""
    answer = reply(body=b"x")
    answer.trailers = lambda: () if answer.closed else TRAILERS
    inner = shared(Script((1, answer)))
    given = await asyncio.gather(inner.handle(get()), inner.handle(get()))
    assert [await body(each) for each in given] == [b"x", b"x"]
    assert [list(each.last_trailers()) for each in given] == [TRAILERS, TRAILERS]
