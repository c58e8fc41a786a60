"""Which store a configuration has."""

from proxy.core.cache_options import CacheOptions
from proxy.core.size import Size
from proxy.run.stores import store_of
from proxy.store.memory import MemoryStore


def bound(*sizes: int) -> int:
    store = store_of([None, *(CacheOptions(max_size=Size(size)) for size in sizes)])
    assert isinstance(store, MemoryStore)
    return store._max_size


def test_there_is_one_if_a_route_asks_for_it() -> None:
    assert store_of([]) is None
    assert store_of([None, None]) is None


def test_the_largest_bound_counts() -> None:
    assert bound(1 << 20, 1 << 21) == 1 << 21
    assert bound(1 << 20, 0) > 1 << 40
