"""What the file as a whole may hold."""

import math

import pytest
from msgspec import structs

from proxy.config.model import ALWAYS, INHERITED, SHARED, SWITCHES, Config, Route, read_unit
from proxy.config.model import Upstream as UpstreamTable
from proxy.core.options import Duration, Size


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
