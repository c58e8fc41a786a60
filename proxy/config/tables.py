"""The checks of tables that stand beside their options, in one place: each is called here.

None of these modules loads what its table switches on.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from proxy.config.model import Config
from proxy.core.cache_options import NOT_A_STORE, StoreOptions, store_problems
from proxy.core.findings import Finding, Written
from proxy.middleware import cors, rate_limit
from proxy.middleware.cache import problems as cache
from proxy.middleware.concurrency import options as concurrency
from proxy.middleware.deadline import options as deadline
from proxy.middleware.hedge import options as hedge
from proxy.middleware.load_balance import ejection
from proxy.middleware.load_balance import options as load_balance
from proxy.middleware.retry import options as retry


class Checked(Protocol):
    """A module with options that checks them itself."""

    def problems(self, written: Written) -> Iterator[Finding]:
        """What is wrong with its options."""


_ROUTE: Final[tuple[Checked, ...]] = (
    deadline,
    rate_limit,
    cache,
    cors,
    retry,
    hedge,
    ejection,
)
_UPSTREAM: Final[tuple[Checked, ...]] = (concurrency, load_balance)


def table_problems(config: Config, raw: Mapping[str, Any]) -> Iterator[Finding]:
    """All that the tables themselves find wrong, for each entry that inherits one again."""
    yield from retry.problems(Written(raw, (), config))
    yield from store_problems(config.store, used=any(route.cache for route in config.routes))
    yield from _store_file_problems(config.store)
    for index, upstream in enumerate(config.upstreams):
        for checked in _UPSTREAM:
            yield from checked.problems(Written(raw, ("upstreams", index), upstream))
    for index, route in enumerate(config.routes):
        for checked in _ROUTE:
            yield from checked.problems(Written(raw, ("routes", index), route))


def _store_file_problems(options: StoreOptions | None) -> Iterator[Finding]:
    """A file of another program is left alone: nothing would be stored, nor is anything now."""
    kind, _, rest = (options or StoreOptions()).url.partition(":")
    if kind != "sqlite":
        return
    from proxy.store.ownership import is_foreign  # noqa: PLC0415 - most files have no store

    if is_foreign(Path(rest)):
        message = f"{rest!r} {NOT_A_STORE}, and is left alone: expected a file of its own, or none"
        yield Finding(("store", "url"), message)
