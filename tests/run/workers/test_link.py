"""Parent and worker talk."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.run.workers.link import LARGEST, Link, LinkClosed


class End:
    """One end, and what it has heard."""

    def __init__(self) -> None:
        self.notices: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self.closed = asyncio.Event()
        self.hold = asyncio.Event()
        self.link: Link

    async def answer(self, question: str, values: dict[str, Any]) -> Any:
        if question == "hold":
            await self.hold.wait()
        if question == "refuse":
            raise ValueError("not that one")
        if question == "break":
            raise KeyError("oops")
        return [question, values]


@contextlib.asynccontextmanager
async def linked() -> AsyncIterator[tuple[End, End]]:
    ends = End(), End()
    for end, sock in zip(ends, socket.socketpair(), strict=True):
        end.link = await Link.over(
            sock, end.answer, lambda *told, e=end: e.notices.put_nowait(told), end.closed.set
        )
    try:
        yield ends
    finally:
        for end in ends:
            end.link.close()


async def test_each_question_gets_its_own_answer() -> None:
    async with linked() as (one, other):
        held = asyncio.ensure_future(one.link.ask("hold", n=1))
        assert await one.link.ask("quick", n=2, data=b"\0") == ["quick", {"n": 2, "data": b"\0"}]
        assert await other.link.ask("back") == ["back", {}]
        assert not held.done()
        other.hold.set()
        assert await held == ["hold", {"n": 1}]


async def test_a_large_answer_comes_whole() -> None:
    async with linked() as (one, _):
        data = bytes(range(256)) * 20_000
        assert await one.link.ask("echo", data=data) == ["echo", {"data": data}]


@pytest.mark.parametrize(
    ("question", "sentence"), [("refuse", "not that one"), ("break", "KeyError")]
)
async def test_a_question_that_is_not_answered_says_why(question: str, sentence: str) -> None:
    async with linked() as (one, _):
        with pytest.raises(ValueError, match=sentence):
            await one.link.ask(question)
        assert await one.link.ask("still") == ["still", {}]


async def test_a_notice_is_heard_and_not_answered() -> None:
    async with linked() as (one, other):
        one.link.tell("ready", pid=7)
        assert await other.notices.get() == ("ready", {"pid": 7})


async def test_an_end_is_seen_by_both_and_by_who_waits() -> None:
    async with linked() as (one, other):
        held = asyncio.ensure_future(one.link.ask("hold"))
        assert await one.link.ask("first") == ["first", {}]
        other.link.close()
        with pytest.raises(LinkClosed):
            await held
        await one.closed.wait()
        await other.closed.wait()
        with pytest.raises(LinkClosed):
            await one.link.ask("late")
        one.link.tell("late")


async def test_a_message_without_measure_ends_the_link() -> None:
    end = End()
    ours, theirs = socket.socketpair()
    end.link = await Link.over(ours, end.answer, lambda *_: None, end.closed.set)
    theirs.sendall((LARGEST + 1).to_bytes(4, "big") + b"x")
    await end.closed.wait()
    theirs.close()
