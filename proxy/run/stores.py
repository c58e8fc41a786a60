"""The store of a configuration, which all routes share that have ``[cache]``."""

from collections.abc import Iterable

from proxy.core.cache_options import CacheOptions
from proxy.core.stored import Store
from proxy.store.memory import MemoryStore


def store_of(tables: Iterable[CacheOptions | None]) -> Store | None:
    """The store for the tables of the routes; None where no route has one.

    Its bound is the largest ``max_size``; none where one of them is 0.
    """
    sizes = [table.max_size for table in tables if table is not None]
    if not sizes:
        return None
    return MemoryStore(max(sizes) if all(sizes) else 0)
