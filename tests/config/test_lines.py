"""Where a place stands in a file."""

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.lines import Lines
from proxy.core.findings import Place

FILE = '''\
# [server] in a comment
title = """
[server]
x = 1
"""
[server]
listen = [
  "a",  # ]
  "b",

  """c
]""",
  "d",
]
retry.budget.percent = 1

[[routes]]
path = "/"
[routes.retry]
attempts = 3
[[routes]]
headers = { A = "x", "B.C" = "y" }
 [ routes . retry ]
"attempts" = 4
[[routes.parts]]
n = 1
[[routes.parts]]
n = 2
[a.b.c]
'''


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ((), 1),
        (("title",), 2),
        (("server",), 6),
        (("server", "listen"), 7),
        (("server", "listen", 0), 8),
        (("server", "listen", 1), 9),
        (("server", "listen", 2), 11),
        (("server", "listen", 3), 13),
        (("server", "retry", "budget", "percent"), 15),
        (("routes",), 17),
        (("routes", 0), 17),
        (("routes", 0, "path"), 18),
        (("routes", 0, "upstream"), 17),
        (("routes", 0, "retry", "attempts"), 20),
        (("routes", 1), 21),
        (("routes", 1, "headers", "B.C"), 22),
        (("routes", 1, "retry"), 23),
        (("routes", 1, "retry", "attempts"), 24),
        (("routes", 1, "parts", 0, "n"), 26),
        (("routes", 1, "parts", 1), 27),
        (("a", "b"), 29),
        (("a", "b", "c", "gone", 3), 29),
        (("gone",), 1),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_place_is_found_on_the_line_where_it_first_appears(
    place: Place, line: int, ending: str
) -> None:
    assert Lines(FILE.replace("\n", ending)).of(place) == line


def places(tree: Any, place: Place = ()) -> Iterator[Place]:
    """Every place of a tree."""
    yield place
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        if isinstance(value, dict | list):
            yield from places(value, (*place, key))
        else:
            yield (*place, key)


@given(
    st.lists(
        st.sampled_from(
            [
                "[[t]]",
                "[[t.s]]",
                "k = 1",
                'k = ["a",\n"b",\n\n"c"]',
                "k.j = {a = [1, 2]}",
                "",
                "# c",
                "k = '''\n[x]\n'''",
            ]
        ),
        max_size=20,
    )
)
def test_each_place_is_found_in_the_first_prefix_that_holds_it(parts: list[str]) -> None:
    text = "\n".join(parts)
    try:
        tree = tomllib.loads(text)
    except ValueError:
        return
    lines = text.split("\n")
    for place in places(tree):
        line = Lines(text).of(place)
        assert 1 <= line <= len(lines)
        for count in range(line):  # no shorter text that parses holds it
            try:
                shorter = set(places(tomllib.loads("\n".join(lines[:count]))))
            except ValueError:
                continue
            assert not place or place not in shorter


@pytest.mark.parametrize(
    "text",
    [
        "[[routes]]\nupstream = 'a'\npath = '/x'\n" * 700,
        "x = [\n" + "  '10.0.0.0/8',  # [::]\n" * 1000 + "]\n",
    ],
    ids=["tables", "one long list"],
)
def test_a_long_file_is_read(text: str) -> None:
    lines = Lines(text)
    for index in range(50):
        lines.of(("x", index))
        lines.of(("routes", index, "path"))
