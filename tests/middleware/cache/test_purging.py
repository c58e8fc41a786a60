"""Operators remove what is stored."""

import asyncio
from typing import cast

import pytest

from proxy.core.stored import Removal, Store
from proxy.middleware.cache.labels import label
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
    assert await purge(caching.store, **wanted) == (removed, True)
    assert await purge(caching.store, **wanted) == (0, True)


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

        async def purge(self, _: bytes, patience: float) -> Removal:
            self.left -= 1
            self.patience = patience
            if not self.left:
                self.asked.set()
            await self.asked.wait()
            return Removal(1, complete=True)

    slow = Slow()
    async with asyncio.timeout(10):
        assert await purge(cast(Store, slow), path="/x", tag="a", route="/") == (3, True)
    assert slow.patience == 10.0


async def test_what_goes_on_is_no_end_of_all_that_is_named() -> None:
    class Half:
        """A store that takes long for one of two."""

        async def purge(self, label: bytes, _: float) -> Removal:
            return Removal(2, complete=label == label_of_tag)

    label_of_tag = label(b"tag", b"a")
    assert await purge(cast(Store, Half()), path="/x", tag="a") == (4, False)
