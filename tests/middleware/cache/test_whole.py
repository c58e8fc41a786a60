"""A reply that is here already, on its way into the store."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.core.reply import Reply
from proxy.middleware.cache.whole import longest, store_whole
from tests.support.loop import reply
from tests.support.stored import meta

EVENTS = [(b"Content-Type", b"text/event-stream")]


class Held:
    """What a store has been told."""

    def __init__(self, *, takes: bool = True) -> None:
        self._takes = takes
        self.told: list[object] = []

    def keep(self, whole: bytes, replaces: Sequence[bytes]) -> bool:
        """Whether there is room."""
        if self._takes:
            self.told.append((whole, list(replaces)))
        return self._takes


async def old() -> Sequence[bytes]:
    """It takes the place of one."""
    return [b"old"]


async def nowhere() -> None:
    """A newer one is there."""


@pytest.mark.parametrize(
    ("came", "limit", "takes", "why"),
    [
        (reply(200, [], b"body"), 0, True, ""),
        (reply(200, [], b"body"), 4, True, ""),
        (reply(200, [], b"body"), 3, True, "too-large"),
        (reply(200, [], b"body"), 0, False, "not-kept"),
        (reply(200, EVENTS, b"event: error\ndata: x\n\n"), 0, True, "event-stream"),
        (reply(200, EVENTS, b"data: x\n\n"), 0, True, ""),
    ],
)
async def test_it_is_stored_or_it_is_said_why_not(
    came: Reply, limit: int, takes: bool, why: str
) -> None:
    held = Held(takes=takes)
    assert came.buffered is not None
    assert await store_whole(held.keep, came, came.buffered, limit, old) == why
    assert held.told == ([] if why else [(came.buffered, [b"old"])])


@pytest.mark.parametrize(
    ("bound", "most", "length"),
    [
        (0, 0, 0),
        (0, 3 << 20, 3 << 20),  # Redis says no bound
        (8 << 20, 7 << 20, 7 << 20),
        (3 << 20, 3 << 20, (3 << 20) - 9),
        (3 << 20, 0, (3 << 20) - 9),
        (3 << 20, 5, 5),
        (9, 0, -1),
        (5, 8, -1),
    ],
)
def test_a_body_may_be_as_long_as_there_is_room_beside_its_head(
    bound: int, most: int, length: int
) -> None:
    store: Any = SimpleNamespace(max_size=bound, room_beside=lambda _: bound - 9)
    assert longest(store, meta(), most) == length


async def test_one_that_has_no_place_any_more_is_not_stored() -> None:
    held = Held()
    assert await store_whole(held.keep, reply(200, [], b"x"), b"x", 0, nowhere) == "superseded"
    assert held.told == []
