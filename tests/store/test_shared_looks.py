"""Looks that many ask for at the same time."""

import asyncio

import pytest

from proxy.core.stored import StoreFailed
from proxy.store.shared_looks import SharedLooks
from tests.support.loop import JumpingLoop

pytestmark = pytest.mark.usefixtures("nothing_left")


class Looking:
    """Something that changes, and looks at it that take a second."""

    def __init__(self) -> None:
        self.looks = SharedLooks()
        self.stored = 0
        self.count = 0

    async def look(self) -> int:
        self.count += 1
        found = self.stored
        await asyncio.sleep(1)
        return found

    async def share(self, same: str = "a") -> int:
        return await self.looks.share(same, self.look)


async def test_who_asks_meanwhile_shares_the_next_one(jumping: JumpingLoop) -> None:
    looking, began = Looking(), jumping.time()
    first = asyncio.create_task(looking.share())
    await asyncio.sleep(0.5)
    looking.stored = 1
    others = await asyncio.gather(*(looking.share() for _ in range(300)))
    assert (await first, set(others), looking.count) == (0, {1}, 2)
    assert jumping.time() - began == 2


async def test_other_looks_are_not_waited_for(jumping: JumpingLoop) -> None:
    looking, began = Looking(), jumping.time()
    await asyncio.gather(looking.share("a"), looking.share("b"))
    assert jumping.time() - began == 1


async def test_who_leaves_ends_it_for_nobody(jumping: JumpingLoop) -> None:
    looking = Looking()
    first, second = (asyncio.create_task(looking.share()) for _ in range(2))
    await asyncio.sleep(0.5)
    first.cancel()
    assert (await second, looking.count) == (0, 1)
    assert first.cancelled()
    assert (await looking.share(), looking.count) == (0, 2)


async def test_a_failure_is_told_to_each(jumping: JumpingLoop) -> None:
    looks = SharedLooks()

    async def fails() -> None:
        raise ValueError

    errors = await asyncio.gather(
        *(looks.share("a", fails) for _ in range(3)), return_exceptions=True
    )
    assert [(type(error), str(error)) for error in errors] == [(StoreFailed, "ValueError")] * 3
    assert len({id(error) for error in errors}) == 3
