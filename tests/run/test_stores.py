"""Which store a configuration has."""

from pathlib import Path

from proxy.core.cache_options import CacheOptions, StoreOptions
from proxy.core.duration import Duration
from proxy.core.size import Size
from proxy.run.stores import store_of
from proxy.store.memory import MemoryStore
from proxy.store.sqlite import SqliteStore


def bound(*sizes: int) -> int:
    store = store_of(None, [None, *(CacheOptions(max_size=Size(size)) for size in sizes)])
    assert isinstance(store, MemoryStore)
    return store._max_size


def test_there_is_one_if_a_route_asks_for_it() -> None:
    assert store_of(None, []) is None
    assert store_of(None, [None, None]) is None


def test_the_largest_bound_counts() -> None:
    assert bound(1 << 20, 1 << 21) == 1 << 21
    assert bound(1 << 20, 0) > 1 << 40


async def test_a_file_is_opened_when_it_is_used(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    options = StoreOptions(url=f"sqlite:{path}", timeout=Duration(0))
    store = store_of(options, [CacheOptions()])
    assert isinstance(store, SqliteStore)
    assert not path.exists()
    assert not await store.get(b"k")
    assert path.exists()
    await store.close()
