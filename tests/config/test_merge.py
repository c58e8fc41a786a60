"""What routes inherit."""

from typing import Any

import pytest

from proxy.config.merge import merge, written_at
from proxy.core.findings import Place

CLOCKS = (
    "queue",
    "connect",
    "first_byte",
    "idle",
    "progress",
    "total",
    "per_try",
    "tunnel_idle",
)
OFF = dict.fromkeys(CLOCKS, "0")


def routed(top: dict[str, Any], route: dict[str, Any]) -> dict[str, Any]:
    """The only route of a file, merged."""
    merged: dict[str, Any]
    [merged] = merge({**top, "routes": [{"upstream": "a", **route}]})["routes"]
    return merged


@pytest.mark.parametrize(
    ("top", "route", "merged"),
    [
        ({"attempts": 2}, None, {"attempts": 2}),
        ({"attempts": 2, "on": ["reset"]}, {"attempts": 5}, {"attempts": 5, "on": ["reset"]}),
        ({"on": ["reset", "503"]}, {"on": ["timeout"]}, {"on": ["timeout"]}),
        ({"budget": {"a": 1, "b": 2}}, {"budget": {"b": 3}}, {"budget": {"a": 1, "b": 3}}),
        ({"attempts": 2}, False, None),
        (False, {"attempts": 5}, {"attempts": 5}),
        (False, {}, {}),
        (False, None, None),
    ],
)
def test_tables_are_merged_key_by_key_and_lists_replaced(top: Any, route: Any, merged: Any) -> None:
    given = {} if route is None else {"retry": route}
    assert routed({"retry": top}, given)["retry"] == merged


@pytest.mark.parametrize(
    ("top", "route", "merged"),
    [
        ({"idle": "5s"}, False, OFF),
        (False, None, OFF),
        (False, {"idle": "5s"}, {"idle": "5s"}),  # the route has the table again, with its defaults
    ],
)
def test_timeouts_switched_off_stop_every_clock(top: Any, route: Any, merged: Any) -> None:
    given = {} if route is None else {"timeouts": route}
    assert routed({"timeouts": top}, given)["timeouts"] == merged


@pytest.mark.parametrize(
    ("deadline", "timeouts", "reserve"),
    [
        ({"max": "20ms"}, {}, "2ms"),
        ({}, {"total": "50ms"}, "5ms"),
        ({"max": "20ms"}, {"total": "10ms"}, "1ms"),
        ({"max": "10ms"}, {"total": "20ms"}, "1ms"),
        ({}, {"total": "51ms"}, None),
        ({}, {"total": "0"}, None),
        ({}, {"total": "soon"}, None),
        ({}, "soon", None),
        ({}, False, None),
        ({"reserve": "50ms"}, {"total": "50ms"}, "50ms"),
    ],
)
def test_a_reserve_that_nobody_wrote_leaves_most_of_the_time(
    deadline: Any, timeouts: Any, reserve: str | None
) -> None:
    for top, route in (
        ({}, {"deadline": deadline, "timeouts": timeouts}),
        ({"deadline": deadline}, {"timeouts": timeouts}),
        ({"timeouts": timeouts}, {"deadline": deadline}),
    ):
        assert routed(top, route)["deadline"].get("reserve") == reserve


def test_a_table_that_stands_nowhere_is_left_to_its_defaults() -> None:
    assert routed({}, {}) == {"upstream": "a"}


def test_a_single_upstream_takes_everything_where_no_route_stands() -> None:
    assert merge({"upstreams": [{"name": "a"}]})["routes"] == [{"upstream": "a"}]
    assert merge({"upstreams": [{"name": "a"}, {"name": "b"}]})["routes"] == []


def test_the_file_itself_is_left_as_it_was() -> None:
    raw = {
        "retry": {"budget": {"a": 1}},
        "routes": [{"retry": {"budget": {"b": 2}}}],
        "admin": False,
    }
    merge(raw)
    assert raw == {
        "retry": {"budget": {"a": 1}},
        "routes": [{"retry": {"budget": {"b": 2}}}],
        "admin": False,
    }


@pytest.mark.parametrize(
    ("place", "written"),
    [
        (("upstreams", 0, "health_check", "interval"), ("health_check", "interval")),
        (
            ("upstreams", 1, "health_check", "interval"),
            ("upstreams", 1, "health_check", "interval"),
        ),
        (("upstreams", 1, "health_check", "path"), ("health_check", "path")),
        (("upstreams", 1, "health_check", "timeout"), ("upstreams", 1, "health_check", "timeout")),
        (("upstreams", 0, "health_check", "timeout"), ("health_check", "timeout")),
        (("upstreams", 0, "servers", 0), ("upstreams", 0, "servers", 0)),
        (("routes", 0, "retry", "budget", "window"), ("retry", "budget", "window")),
        (("health_check",), ("health_check",)),
    ],
)
def test_what_is_inherited_is_written_at_the_top(place: Place, written: Place) -> None:
    raw = {
        "health_check": {"interval": "0", "path": "/"},
        "retry": {"budget": {"window": "0"}},
        "upstreams": [{"servers": ["x"]}, {"health_check": {"interval": "1s"}}],
    }
    assert written_at(place, raw) == written
