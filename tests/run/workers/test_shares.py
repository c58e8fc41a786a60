"""What each worker gets of the limits."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from proxy.config.load import read
from proxy.config.model import Config
from proxy.core.size import Size
from proxy.run.workers.shares import DIVIDED, exceeding, share, whole

SAMPLE: Final = """
[server]
max_connections = 10
[queue]
size = 9
[concurrency]
max_requests = 7
min = 2
[rate_limit]
average = 10
burst = 3
[[upstreams]]
name = "api"
servers = ["http://127.0.0.1:9"]
limit = 3
[[upstreams]]
name = "other"
servers = ["http://127.0.0.1:9"]
[upstreams.concurrency]
max_requests = 2
[[routes]]
upstream = "api"
[routes.retry.budget]
min_per_second = 5
window = "1s"
"""


@pytest.fixture
def config(tmp_path: Any) -> Config:
    (tmp_path / "config.toml").write_text(SAMPLE)
    found, problems = read(str(tmp_path / "config.toml"))
    assert all(problem.warning for problem in problems)
    assert found is not None
    return found


@given(st.integers(1, 10**6), st.integers(1, 256))
def test_parts_add_up_to_what_was_written_and_none_is_nothing(value: int, workers: int) -> None:
    parts = [whole(value, slot, workers) for slot in range(workers)]
    assert sum(parts) == max(value, workers)
    assert max(parts) - min(parts) <= 1
    assert min(parts) >= 1


@given(st.integers(1, 100), st.integers(1, 100), st.integers(1, 32))
def test_a_part_of_more_is_never_less(one: int, other: int, workers: int) -> None:
    low, high = sorted((one, other))
    for slot in range(workers):
        assert whole(low, slot, workers) <= whole(high, slot, workers)


def test_no_limit_stays_none() -> None:
    assert whole(0, 0, 4) == 0


def test_every_limit_is_divided(config: Config) -> None:
    parts = [share(config, slot, 3) for slot in range(3)]
    assert [part.server.max_connections for part in parts] == [4, 3, 3]
    assert [part.upstreams[0].limit for part in parts] == [1, 1, 1]
    limits = [part.upstreams[0].concurrency for part in parts]
    assert [limit and (limit.max_requests, limit.min) for limit in limits] == [
        (3, 1),
        (2, 1),
        (2, 1),
    ]
    assert [part.upstreams[0].queue and part.upstreams[0].queue.size for part in parts] == [3, 3, 3]
    rates = [part.routes[0].rate_limit for part in parts]
    assert all(rate is not None for rate in rates)
    assert sum(rate.average for rate in rates if rate) == pytest.approx(10)
    assert [rate and rate.burst for rate in rates] == [1, 1, 1]
    budgets = [part.routes[0].retry and part.routes[0].retry.budget for part in parts]
    assert sum(budget.min_per_second for budget in budgets if budget) == pytest.approx(5)


@pytest.mark.parametrize(
    ("store", "parts"),
    [
        ("", [4, 3, 3]),
        ('[store]\nurl = "memory:"\n', [4, 3, 3]),
        ('[store]\nurl = "sqlite:/tmp/a.db"\n', [10, 10, 10]),  # each counts all that is in it
        ('[store]\nurl = "redis://127.0.0.1/0"\n', [10, 10, 10]),
    ],
)
def test_the_size_of_a_store_is_divided_where_each_worker_has_its_own(
    store: str, parts: list[int], tmp_path: Any
) -> None:
    (tmp_path / "config.toml").write_text(f"{store}[cache]\nmax_size = '10B'\n" + SAMPLE)
    config, _ = read(str(tmp_path / "config.toml"))
    assert config is not None
    caches = [share(config, slot, 3).routes[0].cache for slot in range(3)]
    assert [cache and cache.max_size for cache in caches] == parts


def test_each_worker_may_try_again_where_there_was_one_try_in_all(config: Config) -> None:
    retry = share(config, 0, 8).routes[0].retry
    assert retry is not None
    assert retry.budget.min_per_second * retry.budget.window == 1


def test_what_is_not_divided_stays_the_same_object(config: Config) -> None:
    part = share(config, 1, 3)
    assert part.shutdown is config.shutdown
    assert part.routes[0].timeouts is config.routes[0].timeouts
    assert share(config, 0, 1) is config


def test_a_limit_that_cannot_be_divided_is_said(config: Config) -> None:
    assert list(exceeding(config, 3)) == [
        "upstreams[1].concurrency.max_requests = 2 is less than the 3 workers: "
        "each allows 1, all together 3"
    ]
    assert list(exceeding(config, 2)) == []


NOT_DIVIDED: Final = {
    "server": "one request or one connection",
    "server.workers": "their number itself",
    "timeouts": "one request",
    "log": "a share of the lines",
    "tracing": "a share of the requests",
    "retry": "one request, or a share of the requests",
    "hedge": "one request, or a share of the requests",
    "circuit_breaker": "what one worker has seen: each has breakers of its own",
    "health_check": "what one worker has seen: each checks by itself",
    "load_balance": "a share of the servers",
    "cache.max_object": "one object",
    "coalesce": "one shared call: each worker has its own",
    "cors": "told to browsers",
    "servers": "a share of the requests",
    "fallback": "a status",
}
"""Tables whose other numbers are the same in every worker, and what they are numbers of."""


def _numbers(kind: inspect.Type, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], type]]:
    """Every option that is a number or a size, with its table."""
    if isinstance(kind, inspect.Metadata):
        yield from _numbers(kind.type, place)
    elif isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from _numbers(each, place)
    elif isinstance(kind, inspect.VarTupleType):
        yield from _numbers(kind.item_type, place)
    elif isinstance(kind, inspect.StructType):
        for field in kind.fields:
            inner = field.type
            name = field.encode_name
            flat = inner.type if isinstance(inner, inspect.Metadata) else inner
            kinds = flat.types if isinstance(flat, inspect.UnionType) else (flat,)
            if any(map(_is_number, kinds)):
                yield (*place, name), kind.cls
            else:
                yield from _numbers(inner, (*place, name))


def _is_number(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.CustomType):
        return kind.cls is Size
    return isinstance(kind, inspect.IntType | inspect.FloatType)


def test_every_number_is_divided_or_known_to_be_no_sum() -> None:
    unknown = []
    for place, table in _numbers(inspect.type_info(Config), ()):
        inner = [step for step in place if step not in ("routes", "upstreams")]
        divided = place[-1] in DIVIDED.get(table, {})
        if not divided and inner[0] not in NOT_DIVIDED and ".".join(inner) not in NOT_DIVIDED:
            unknown.append(".".join(place))
    assert unknown == [], "divide them in run/workers/shares, or say here what they are"


def test_the_options_that_are_divided_exist() -> None:
    for table, options in DIVIDED.items():
        assert issubclass(table, msgspec.Struct)
        assert set(options) <= set(table.__struct_fields__)
