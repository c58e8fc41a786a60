"""Bodies that are waited for, since there is an error in their place."""

import asyncio

import pytest

from proxy.core.stored import StoreFailed
from proxy.middleware.cache.awaited import Awaited
from tests.support.loop import JumpingLoop
from tests.support.stored import meta


class Slow:
    """An entry of a slow store."""

    ident, meta, size, whole = b"1", meta(), 4, None
    shown: object = None

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def read(self, position: int, *, first: bool = False) -> bytes:
        assert not first  # else it would be late at once
        await asyncio.sleep(self._seconds)
        return b"body"[position:]


async def test_the_first_bytes_are_waited_for_but_not_for_ever(jumping: JumpingLoop) -> None:
    assert await Awaited(Slow(4)).read(0, first=True) == b"body"
    began = jumping.time()
    with pytest.raises(StoreFailed, match="no answer within 5 s"):
        await Awaited(Slow(3600)).read(0, first=True)
    assert jumping.time() - began == 5


async def test_the_rest_is_waited_for_as_long_as_that_of_all_others(jumping: JumpingLoop) -> None:
    assert await Awaited(Slow(3600)).read(2) == b"dy"
