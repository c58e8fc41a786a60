"""The store of a configuration, which all routes share that have ``[cache]``."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.core.cache_options import CacheOptions, StoreOptions

if TYPE_CHECKING:
    from proxy.core.stored import Store


def store_of(
    options: StoreOptions | None,
    tables: Iterable[CacheOptions | None],
    before: "Store | None" = None,
) -> "Store | None":
    """The store for the tables of the routes; None where no route has one.

    Its bound is the largest ``max_size``; none where one of them is 0. ``before``: that of the
    configuration that ends, which goes on where there is one.
    """
    sizes = [table.max_size for table in tables if table is not None]
    if not sizes:
        return None
    if before is not None:
        return before
    bound = max(sizes) if all(sizes) else 0
    kind, _, place = (options or StoreOptions()).url.partition(":")
    # Each is loaded only where it is asked for.
    if kind == "memory":
        from proxy.store.memory import MemoryStore  # noqa: PLC0415 - with [cache]

        return MemoryStore(bound)
    chosen = options or StoreOptions()
    if kind == "sqlite":
        from proxy.store.sqlite import SqliteStore  # noqa: PLC0415 - if written

        return SqliteStore(Path(place), bound, chosen.timeout)
    from proxy.store.redis import RedisStore  # noqa: PLC0415 - an extra

    return RedisStore(chosen.url, chosen.timeout, namespace=chosen.namespace)


def fit(store: "Store | None", tables: Iterable[CacheOptions | None]) -> None:
    """Give a store that goes on the bound that these tables say."""
    sizes = [table.max_size for table in tables if table is not None]
    if store is not None:
        store.resize(max(sizes) if all(sizes) else 0)
