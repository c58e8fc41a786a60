"""Operators remove what is stored."""

import asyncio
from typing import cast

import pytest

from proxy.core.stored import Store
from proxy.middleware.cache.purging import purge
from proxy.store.memory import MemoryStore
from tests.support.caching import Caching, fresh
from tests.support.loop import JumpingLoop

TAGS = (b"Cache-Tag", b"a, b")


@pytest.mark.parametrize(
    ("wanted", "removed"),
    [
        ({"path": "/x"}, 2),
        ({"path": "/x?q"}, 0),
        ({"path": "/none"}, 0),
        ({"tag": "b"}, 1),
        ({"tag": "a", "path": "/x"}, 2),
        ({"route": "/"}, 3),
        ({"route": "/other"}, 0),
    ],
    ids=range(7),
)
async def test_by_path_tag_or_route(
    jumping: JumpingLoop, wanted: dict[str, str], removed: int
) -> None:
    caching = Caching(fresh(60, b"1", TAGS), fresh(), fresh())
    for target in ("/x", "/x?q", "/y"):
        exchange = caching.exchange(target)
        await caching.ask(exchange)
    assert await purge(caching.store, **wanted) == removed
    assert await purge(caching.store, **wanted) == 0


async def test_something_has_to_be_named_and_stored(jumping: JumpingLoop) -> None:
    with pytest.raises(ValueError, match="expected path=, tag= or route="):
        await purge(MemoryStore(0), path="", other="x")
    with pytest.raises(ValueError, match="nothing is stored"):
        await purge(None, path="/x")


async def test_all_that_is_named_is_removed_at_once() -> None:
    """Each may take ten seconds, and a worker that is told to has not three times as many."""

    class Slow:
        """A store that answers none of three before it is asked for the last."""

        left, patience = 3, 0.0
        asked = asyncio.Event()

        async def purge(self, _: bytes, patience: float) -> int:
            self.left -= 1
            self.patience = patience
            if not self.left:
                self.asked.set()
            await self.asked.wait()
            return 1

    slow = Slow()
    async with asyncio.timeout(10):
        assert await purge(cast(Store, slow), path="/x", tag="a", route="/") == 3
    assert slow.patience == 10.0
