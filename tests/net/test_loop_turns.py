"""What came so soon that nobody knows how soon."""

import asyncio
import weakref
from collections.abc import Callable
from contextvars import ContextVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.net.loop_turns import AT_ONCE, LoopTurns
from tests.support.loop import JumpingLoop


class Loop:
    """One whose turns a test makes."""

    def __init__(self) -> None:
        self.now = 0.0
        self.soon: list[Callable[[], None]] = []
        self.turns = LoopTurns(self.call_soon, lambda: self.now)

    def call_soon(self, call: Callable[[], None]) -> None:
        """In the next turn."""
        self.soon.append(call)

    def turn(self, seconds: float = 1.0) -> None:
        """The last one takes so long, then this one begins."""
        self.now += seconds
        soon, self.soon = self.soon, []
        for call in soon:
            call()


@pytest.mark.parametrize("seconds", [1e-4, 5.0], ids=["short turns", "a process that stood still"])
def test_what_is_seen_within_two_turns_came_at_once(seconds: float) -> None:
    loop = Loop()
    loop.turns.begin(loop.now)
    seen = []
    for _ in range(4):
        seen.append(loop.turns.at_once(0.0))
        loop.turn(seconds)
    assert seen == [True, True, True, False]


def test_nothing_is_counted_once_nothing_goes_out() -> None:
    loop = Loop()
    assert not loop.turns.at_once(0.0)
    loop.turns.begin(loop.now)
    loop.turns.begin(loop.now)
    for _ in range(AT_ONCE + 1):
        assert len(loop.soon) == 1
        loop.turn()
    assert not loop.soon
    assert not loop.turns.at_once(loop.now)


async def test_turns_are_those_of_the_loop(jumping: JumpingLoop) -> None:
    turns = LoopTurns(jumping.call_soon, jumping.time)
    sent = jumping.time()
    turns.begin(sent)
    await asyncio.sleep(0)
    assert turns.at_once(sent)
    await asyncio.sleep(1.0)
    assert not turns.at_once(sent)


@given(st.lists(st.tuples(st.booleans(), st.floats(1e-6, 10.0)), max_size=30))
def test_it_knows_of_each_how_many_turns_ago_it_went_out(turns: list[tuple[bool, float]]) -> None:
    """Whether something goes out in a turn, and how long that takes; each is asked in each turn."""
    loop = Loop()
    sent: list[tuple[int, float]] = []
    for number, (goes_out, seconds) in enumerate(turns):
        loop.turn(seconds)
        if goes_out:
            loop.now += seconds
            loop.turns.begin(loop.now)
            sent.append((number, loop.now))
        for turn, at in sent:
            assert loop.turns.at_once(at) is (number - turn <= AT_ONCE)


async def test_nothing_of_whose_request_begins_to_count_is_held() -> None:
    request: ContextVar[asyncio.Event] = ContextVar("request")
    turns = LoopTurns(asyncio.get_running_loop().call_soon, lambda: 0.0)

    async def begin() -> "weakref.ref[asyncio.Event]":
        thing = asyncio.Event()
        request.set(thing)
        turns.begin(0.0)
        return weakref.ref(thing)

    seen = await asyncio.create_task(begin())
    for _ in range(5):
        turns.begin(0.0)
        await asyncio.sleep(0)
    assert seen() is None
