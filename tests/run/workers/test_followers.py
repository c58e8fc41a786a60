"""The answer to a reload comes once all who take connections have followed."""

import asyncio
from typing import Any

import pytest

from proxy.config.load import from_upstream
from proxy.run.workers import reload
from proxy.run.workers.member import Member
from tests.run.workers.test_reload import Answering
from tests.run.workers.test_replacements import Slots

CONFIG = from_upstream(("http://127.0.0.1:1",))


class Reloaded(Slots):
    """Its first slot is served."""

    def __init__(self) -> None:
        super().__init__()
        self.link = Answering()
        self.born(0, state="serving").link = self.link  # type: ignore[assignment]

    async def asked(self, number: int) -> None:
        """Wait until that one has been asked so often."""
        async with asyncio.timeout(30):
            while len(self.link.asked) < number:  # noqa: ASYNC110 - a few turns of the loop
                await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)

    def succeeds(self, member: Member) -> None:
        """One with the configuration of now takes its place."""
        other = self.born(member.slot, before=member)
        other.version = self._outfit.version
        self._is_ready(other)

    async def over(self) -> None:
        self.members.clear()
        await self.close()


async def test_the_answer_waits_for_one_that_was_being_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reload, "FOLLOWED", 60.0)
    crew = Reloaded()
    starting = crew.born(1)
    reloading = asyncio.ensure_future(crew.reload(CONFIG, ()))
    await crew.asked(2)
    assert crew.link.asked == ["prepare_reload", "commit_reload"]
    crew._is_ready(starting)
    assert await crew.starts() == [(1, 0.0, starting)]
    await asyncio.sleep(0)
    assert not reloading.done()
    crew.succeeds(starting)
    async with asyncio.timeout(30):
        await reloading
    await crew.over()


async def test_one_that_serves_while_others_prepare_is_replaced() -> None:
    """It was in nobody's list, and kept the former configuration for good."""
    crew = Reloaded()
    starting = crew.born(1)
    ask = crew.link.ask

    async def ready_then(question: str, **values: Any) -> Any:
        if question == "prepare_reload":
            crew._is_ready(starting)
        return await ask(question, **values)

    crew.link.ask = ready_then  # type: ignore[method-assign]
    reloading = asyncio.ensure_future(crew.reload(CONFIG, ()))
    await crew.asked(2)
    assert await crew.starts() == [(1, 0.0, starting)]
    crew.succeeds(starting)
    async with asyncio.timeout(30):
        await reloading
    await crew.over()


@pytest.mark.parametrize("by", ["time", "a stop"])
async def test_the_answer_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    monkeypatch.setattr(reload, "FOLLOWED", 0.01 if by == "time" else 60.0)
    crew = Reloaded()
    crew.born(1)
    reloading = asyncio.ensure_future(crew.reload(CONFIG, ()))
    await crew.asked(2)
    if by == "a stop":
        crew.stop()
    async with asyncio.timeout(30):
        await reloading
    await crew.over()
