"""``--set`` changes one place of a tree, or says why it cannot."""

from typing import Any

import pytest

from proxy.config.overrides import Overrides


@pytest.mark.parametrize(
    ("argument", "tree", "expected"),
    [
        ("retry.attempts=4", {}, {"retry": {"attempts": "4"}}),
        ("retry.attempts=4", {"retry": False}, {"retry": {"attempts": "4"}}),
        ("retry.on=['503']", {}, {"retry": {"on": ["503"]}}),
        ("routes[0].path=/a=b", {"routes": [{}]}, {"routes": [{"path": "/a=b"}]}),
        ("routes[1].path=/b", {"routes": [{}]}, {"routes": [{}, {"path": "/b"}]}),
        ("a.'x.y'=1", {}, {"a": {"x.y": "1"}}),
    ],
)
def test_one_place_is_set(argument: str, tree: dict[str, Any], expected: dict[str, Any]) -> None:
    assert Overrides([argument], tree).findings == []
    assert tree == expected


@pytest.mark.parametrize(
    ("argument", "tree", "message"),
    [
        ("retry.attempts", {}, "expected PLACE=VALUE"),
        ("=4", {}, "expected PLACE=VALUE"),
        ("retry.on=[", {}, "not a TOML value"),
        ("routes.path=/", {"routes": [{}]}, "routes is a list: expected routes[0].path"),
        ("routes.0.path=/", {"routes": [{}]}, "routes is a list: expected routes[0].path"),
        (
            "a.0.servers.1=/",
            {"a": [{"servers": []}]},
            "a is a list: expected a[0].servers[1]",
        ),
        ("a.1.b.c=/", {"a": [{}]}, "a is a list: expected a[1].b.c"),
        ("a.b.c=/", {"a": [{}]}, "a is a list: expected a[0].b.c"),
        ("a.api.b=/", {"a": [{}, {"name": "api"}]}, "a is a list: expected a[1].b"),
        ("retry[0]=1", {"retry": {}}, "retry is a table: no [0] is expected behind it"),
        ("routes[2].path=/", {"routes": [{}]}, "routes has only 1 entries"),
        ("a.b=1", {"a": 1}, "a is no table"),
    ],
)
def test_what_cannot_be_set_is_said(argument: str, tree: dict[str, Any], message: str) -> None:
    overrides = Overrides([argument], tree)
    [finding] = overrides.findings
    assert finding.message.startswith(message)
    assert overrides.texts == []


@pytest.mark.parametrize(
    ("text", "quotes"),
    [
        ("{request_id}", True),
        ("{client_addr} of {host}", True),
        ("[::1]:8080", True),
        ("[a-z]+", True),
        ("[", False),
        ("[503, reset]", False),
        ("['a'] b", False),
        ("{ url = x }", False),
        ("'a", False),
        ('{host} "b"', False),
    ],
)
def test_text_that_begins_as_toml_does_is_told_to_stand_in_quotes(text: str, quotes: bool) -> None:
    tree: dict[str, Any] = {}
    [finding] = Overrides([f"a.b={text}"], tree).findings
    assert finding.message.endswith(f'; as text it is written in quotes: "{text}"') is quotes
    if quotes:
        assert Overrides([f'a.b="{text}"'], tree).findings == []
        assert tree == {"a": {"b": text}}


def test_it_knows_which_places_were_set() -> None:
    overrides = Overrides(["retry.budget.percent=5"], {})
    assert overrides.names(("retry", "budget", "percent"))
    assert overrides.holds(("retry",))
    assert not overrides.names(("retry",))


@pytest.mark.parametrize(
    ("arguments", "tree", "texts"),
    [
        (["a.b=5", "a=false"], {"a": "false"}, [("a",)]),
        (["a.b=5", "a={}"], {"a": {}}, []),
        (["a.b.c=5", "a.b=x", "a.d=y"], {"a": {"b": "x", "d": "y"}}, [("a", "b"), ("a", "d")]),
        (["a[0]=5", "a=x"], {"a": "x"}, [("a",)]),
        (["a[0]=5", 'a=["y"]'], {"a": ["y"]}, []),
        (["a=5", "a='x'"], {"a": "x"}, []),
        (["a=False", "a.b=5"], {"a": {"b": "5"}}, [("a", "b")]),
        (["a=false", "a[0]=5"], {"a": ["5"]}, [("a", 0)]),
    ],
)
def test_what_is_set_later_wins_over_what_is_within_it(
    arguments: list[str], tree: dict[str, Any], texts: list[Any]
) -> None:
    got: dict[str, Any] = {}
    overrides = Overrides(arguments, got)
    assert overrides.findings == []
    assert got == tree
    assert overrides.texts == texts


def test_an_empty_text_in_the_place_of_the_routes_gives_way_to_the_one_that_is_meant() -> None:
    tree: dict[str, Any] = {"upstreams": [{"name": "api"}]}
    assert Overrides(["routes=", "routes[0].path=/v1"], tree).findings == []
    assert tree["routes"] == [{"upstream": "api", "path": "/v1"}]
