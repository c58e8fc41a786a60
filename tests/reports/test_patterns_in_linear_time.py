"""No path that a client chooses makes a pattern of a route slow."""

from pathlib import Path

import pytest

from proxy.config.load import check
from proxy.core.errors import NoRoute
from proxy.edge.router import RouteOptions, Router
from proxy.middleware.rewrite.options import RewriteOptions
from proxy.middleware.rewrite.paths import PathRewriter

EVIL = ["(/a+)+b", "/(a|a)*b", "/(a*)*b", "/a*a*a*a*a*a*b", "/(.*)x(.*)y(.*)z", "/([a-z]+)*b"]
LONG = "/" + "a" * 16_000
"""With Python's re, the first of these take longer than the universe has."""

ROUTE = '[[upstreams]]\nname = "a"\nservers = ["http://a"]\n[[routes]]\nupstream = "a"\n'


@pytest.mark.parametrize("pattern", EVIL)
def test_a_route_is_found_or_not(pattern: str) -> None:
    router = Router([(RouteOptions(path_regex=pattern, upstream="a"), 1)])
    with pytest.raises(NoRoute):
        router.find("GET", "a", LONG, [])


@pytest.mark.parametrize("pattern", EVIL)
def test_a_path_is_rewritten_or_not(pattern: str) -> None:
    rewrite = PathRewriter(rewrite=RewriteOptions(pattern=pattern, replacement="/b"))
    assert rewrite.apply(LONG.encode(), LONG) == LONG.encode()


@pytest.mark.parametrize(
    ("pattern", "replacement", "path", "after"),
    [
        ("^/old/(.*)", "/new/\\1", b"/old/x", b"/new/x"),
        ("^/(?P<a>[^/]+)/(?P<b>[^/]+)", "/\\g<b>/\\g<a>", b"/x/y/z", b"/y/x/z"),
        ("/(a)?b", "/[\\1]", b"/b", b"/[]"),
        ("b", "\\g<0>\\g<0>", b"/abc", b"/abbc"),
        ("/(.)$", "/\\1\\1", b"/\xe9", b"/\xe9\xe9"),
        ("(?i)/OLD$", "/new", b"/old", b"/new"),
    ],
)
def test_groups_are_put_where_the_replacement_names_them(
    pattern: str, replacement: str, path: bytes, after: bytes
) -> None:
    rewrite = PathRewriter(rewrite=RewriteOptions(pattern=pattern, replacement=replacement))
    normal = path.decode("latin-1") if path.isascii() else "/%E9"
    if path.isascii():
        assert rewrite.apply(path, normal) == after


@pytest.mark.parametrize(
    "pattern", ["/(?=a)", "/(?!a)", "/(?<=a)b", "/(?<!a)b", "/(a)\\\\1", "/a++", "/(?>a)"]
)
@pytest.mark.parametrize("option", ["path_regex", "pattern"])
def test_what_needs_backtracking_is_a_problem(tmp_path: Path, pattern: str, option: str) -> None:
    line = f'path_regex = "{pattern}"'
    if option == "pattern":
        line = f'rewrite = {{ pattern = "{pattern}", replacement = "/b" }}'
    file = tmp_path / "config.toml"
    file.write_text(ROUTE + line)
    [problem] = check(file, {})
    assert "not possible in linear time" in problem.message


@pytest.mark.parametrize(
    ("pattern", "replacement"), [("(a)", "/\\2"), ("a", "/\\g<name>"), ("(?P<b>a)", "/\\g<c>")]
)
def test_a_group_that_the_pattern_does_not_have_is_a_problem(
    tmp_path: Path, pattern: str, replacement: str
) -> None:
    file = tmp_path / "config.toml"
    text = f"rewrite = {{ pattern = '{pattern}', replacement = '{replacement}' }}"
    file.write_text(ROUTE + text)
    [problem] = check(file, {})
    assert "no group" in problem.message


def test_patterns_are_tried_in_the_order_of_their_rank() -> None:
    router = Router(
        [
            (RouteOptions(path_regex="/a.*", upstream="a"), "short"),
            (RouteOptions(path_regex="/abc.*", upstream="a"), "long"),
            (RouteOptions(path_regex="/abc.*", methods=("PUT",), upstream="a"), "put"),
        ]
    )
    assert router.find("GET", "a", "/abcd", []) == "long"
    assert router.find("PUT", "a", "/abcd", []) == "put"
    assert router.find("GET", "a", "/ax", []) == "short"
