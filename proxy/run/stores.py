"""The store of a configuration, which all routes share that have ``[cache]``."""

from collections.abc import Iterable

from proxy.core.cache_options import CacheOptions
from proxy.core.stored import Store
from proxy.store.memory import MemoryStore


def store_of(tables: Iterable[CacheOptions | None], before: Store | None = None) -> Store | None:
    """The store for the tables of the routes; None where no route has one.

    Its bound is the largest ``max_size``; none where one of them is 0. ``before``: that of the
    configuration that ends, which goes on where there is one.
    """
    sizes = [table.max_size for table in tables if table is not None]
    if not sizes:
        return None
    return before or MemoryStore(max(sizes) if all(sizes) else 0)


def fit(store: Store | None, tables: Iterable[CacheOptions | None]) -> None:
    """Give a store that goes on the bound that these tables say."""
    sizes = [table.max_size for table in tables if table is not None]
    if isinstance(store, MemoryStore):
        store.resize(max(sizes) if all(sizes) else 0)
