"""What each worker gets of what is written for all of them.

A limit is counted in one process. So that all workers together allow what the configuration says,
each has a part of it: whole numbers are divided with the remainder spread over the first workers,
rates and budgets evenly. Nobody gets nothing: a limit below the number of workers is one for each,
and then all together allow more than is written, which ``exceeding`` says.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

import msgspec

from proxy.config.model import Config, Upstream
from proxy.core.cache_options import CacheOptions
from proxy.core.rate_limit_options import RateLimitOptions
from proxy.edge.options import ServerOptions
from proxy.middleware.concurrency.options import ConcurrencyOptions, QueueOptions
from proxy.middleware.retry.options import BudgetOptions

Division: TypeAlias = Callable[[Any, int, int], Any]
"""Of a table's value, for one of so many workers."""


def whole(value: int, slot: int, workers: int) -> int:
    """A whole number, at least 1; 0 stays 0, which is no limit."""
    if not value:
        return value
    kind = type(value)
    return kind(max(1, (value + workers - 1 - slot) // workers))


def even(value: float, _slot: int, workers: int) -> float:
    """A rate."""
    return value / workers


def burst(value: float, _slot: int, workers: int) -> float:
    """Requests at once, at least 1; 0 stays 0, which is what the rate says."""
    return max(1.0, value / workers) if value else value


DIVIDED: Final[dict[type[msgspec.Struct], dict[str, Division]]] = {
    ServerOptions: {"max_connections": whole},
    ConcurrencyOptions: {"max_requests": whole, "min": whole},
    QueueOptions: {"size": whole},
    RateLimitOptions: {"average": even, "burst": burst},
    CacheOptions: {"max_size": whole},
    BudgetOptions: {"min_per_second": even},
    Upstream: {"limit": whole},
}
"""The options that are divided, by their table. What is not here is the same in every worker."""
_OF_SHARED_STORE: Final = {kind: DIVIDED[kind] for kind in DIVIDED if kind is not CacheOptions}
"""Those where all workers have one store: each counts all that is in it."""


def share(config: Config, slot: int, workers: int) -> Config:
    """The configuration of the worker in ``slot``."""
    part: Config = config if workers == 1 else _share(config, slot, workers, _divided(config))
    return part


def _divided(config: Config) -> dict[type[msgspec.Struct], dict[str, Division]]:
    return DIVIDED if config.store is None or config.store.in_memory else _OF_SHARED_STORE


def _share(
    value: Any, slot: int, workers: int, tables: dict[type[msgspec.Struct], dict[str, Division]]
) -> Any:
    if isinstance(value, tuple):
        return type(value)(_share(each, slot, workers, tables) for each in value)
    if not isinstance(value, msgspec.Struct):
        return value
    changes: dict[str, Any] = {}
    divided = tables.get(type(value), {})
    for name in value.__struct_fields__:
        before = getattr(value, name)
        if name in divided:
            after = divided[name](before, slot, workers)
        else:
            after = _share(before, slot, workers, tables)
        if after is not before:
            changes[name] = after
    if isinstance(value, BudgetOptions) and value.min_per_second * value.window >= 1:
        # Or a worker that has had few requests could never try again.
        changes["min_per_second"] = max(changes["min_per_second"], 1 / value.window)
    return msgspec.structs.replace(value, **changes) if changes else value


def exceeding(config: Config, workers: int) -> Iterator[str]:
    """A sentence for each limit that is below the number of workers."""
    for name in ("server", "upstreams", "routes"):  # those at the top are in each of these
        for place, value in _numbers(getattr(config, name), name):
            if 0 < value < workers:
                yield (
                    f"{place} = {value} is less than the {workers} workers: each allows 1, "
                    f"all together {workers}"
                )


def _numbers(value: object, place: str) -> Iterator[tuple[str, int]]:
    if isinstance(value, tuple):
        for index, each in enumerate(value):
            yield from _numbers(each, f"{place}[{index}]")
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            inner = getattr(value, name)
            where = f"{place}.{name}"
            if DIVIDED.get(type(value), {}).get(name) is whole and name != "min":
                yield where, inner
            else:
                yield from _numbers(inner, where)
