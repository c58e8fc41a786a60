"""A body that is here as a whole, into a store that takes it in pieces."""

import pytest

from proxy.store.memory import MemoryStore
from proxy.store.whole import write_whole
from tests.support.stored import meta


@pytest.mark.parametrize(("room", "found"), [(8 << 10, 1), (9, 0)])
async def test_it_is_stored_where_there_is_room_for_it(room: int, found: int) -> None:
    store = MemoryStore(room)
    assert write_whole(store.put(b"k", meta()), b"0123456789", ()) is bool(found)
    assert len(await store.get(b"k")) == found
    assert store.writing == 0
