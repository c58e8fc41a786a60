"""What the file as a whole may hold."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import inspect, structs

from proxy.config.model import ALWAYS, INHERITED, SHARED, SWITCHES, Config, Route, read_unit
from proxy.config.model import Upstream as UpstreamTable
from proxy.core.duration import Duration
from proxy.core.size import Size


def test_tables_that_are_inherited_stand_in_both_places_and_can_be_switched_off() -> None:
    top, route, upstream = (
        {field.name: field for field in structs.fields(kind)}
        for kind in (Config, Route, UpstreamTable)
    )
    assert set(ALWAYS) < top.keys()
    assert set(INHERITED) <= top.keys() & route.keys()
    assert set(SHARED) <= top.keys() & upstream.keys()
    assert SWITCHES[Config][:-1] == (*INHERITED, *SHARED)


@pytest.mark.parametrize(
    ("kind", "text"),
    [(Duration, "1000000000s"), (Duration, "9" * 400 + "s"), (Size, "9" * 400 + "B")],
)
def test_what_no_clock_or_limit_can_hold_is_refused(kind: type, text: str) -> None:
    with pytest.raises(ValueError, match="too large"):
        read_unit(kind, text)


def test_a_unit_is_read() -> None:
    assert math.isclose(read_unit(Duration, "250ms"), 0.25)
    assert read_unit(Size, "8MiB") == 8 << 20


def numbers(kind: Any, name: str = "") -> Iterator[tuple[str, inspect.FloatType]]:
    """All options that are numbers with a fraction."""
    if isinstance(kind, inspect.FloatType):
        yield name, kind
    for field in getattr(kind, "fields", ()):
        yield from numbers(field.type, f"{name}.{field.encode_name}")
    for inner in getattr(kind, "types", ()):
        yield from numbers(inner, name)
    for part in ("type", "item_type", "value_type"):
        if (inner := getattr(kind, part, None)) is not None:
            yield from numbers(inner, name)


def test_every_number_has_a_bound_on_both_sides() -> None:
    """TOML knows ``inf``, which no code of ours can use; ``nan`` is outside of any bound."""
    found = dict(numbers(inspect.type_info(Config)))
    assert {".routes.rate_limit.average", ".upstreams.servers.weight"} <= found.keys()
    for name, kind in found.items():
        assert kind.ge is not None or kind.gt is not None, name
        assert kind.le is not None or kind.lt is not None, name
