"""On which line of a TOML file a place first appears.

The file is cut into statements (a table header, or one key with its value), each of which tomllib
parses alone: the growing text of a statement that spans lines is complete as soon as it parses. So
the work grows with the length of the file, and no second TOML grammar stands here.
"""

import tomllib
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from proxy.config.problems import Place

_ENDS: Final = ("]", "}", '"""', "'''")
"""One of these stands on the last line of every statement that spans lines."""

_CLOSERS: Final = ("\n]", "\n]]", "}]")
"""What may be missing where a list is cut between two items."""


class _Statement(NamedTuple):
    table: Place
    first: int
    lines: list[str]


class Lines:
    """The line of every place in a file that is valid TOML."""

    def __init__(self, text: str) -> None:
        self._first: dict[Place, int] = {}
        self._long: dict[Place, _Statement] = {}
        self._last: dict[Place, int] = {}
        table: Place = ()
        for first, lines, tree in _statements(text.replace("\r\n", "\n").split("\n")):
            if lines[0].lstrip().startswith("["):
                table = self._header(tree, first)
                continue
            for place in _places(tree):
                self._first.setdefault(table + place, first)
                if len(lines) > 1:
                    self._long.setdefault(table + place, _Statement(table, first, lines))

    def of(self, place: Place) -> int:
        """The line of a place, or of the table that should hold it."""
        while place and place not in self._first:
            place = place[:-1]
        if not place:
            return 1
        if place in self._long:
            return _within(self._long[place], place)
        return self._first[place]

    def _header(self, tree: dict[str, Any], line: int) -> Place:
        """Enter ``[a.b]`` or ``[[a.b]]``; a name on the way may be a list of tables."""
        place: Place = ()
        inner: Any = tree
        while inner:
            if isinstance(inner, list):
                self._last[place] = self._last.get(place, -1) + 1
                inner = inner[0]
            else:
                if place in self._last:
                    place = (*place, self._last[place])
                [(key, inner)] = inner.items()
                place = (*place, key)
                self._first.setdefault(place, line)
        if place in self._last:
            place = (*place, self._last[place])
            self._first.setdefault(place, line)
        return place


def _statements(lines: list[str]) -> Iterator[tuple[int, list[str], dict[str, Any]]]:
    """Number of the first line, the lines, and what they say."""
    start = 0
    for at, line in enumerate(lines):
        if at == start and (not line.strip() or line.lstrip().startswith("#")):
            start += 1
        elif at == start or any(end in line for end in _ENDS):
            tree = _parsed("\n".join(lines[start : at + 1]))
            if tree is not None:
                yield start + 1, lines[start : at + 1], tree
                start = at + 1


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except ValueError:
        return None


def _places(tree: Any, place: Place = ()) -> Iterator[Place]:
    """Every place within a tree, outer ones first."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield (*place, key)
        if isinstance(value, dict | list):
            yield from _places(value, (*place, key))


def _within(statement: _Statement, place: Place) -> int:
    """Look for one item in a list that spans lines."""
    inner = place[len(statement.table) :]

    def reached(count: int) -> bool:
        for end in range(count, len(statement.lines)):  # further on where this is amid an item
            text = "\n".join(statement.lines[:end])
            for closer in _CLOSERS:
                tree = _parsed(text + closer)
                if tree is not None:
                    return inner in set(_places(tree))
        return True

    counts = range(1, len(statement.lines) + 1)
    return statement.first + bisect_left(counts, True, key=reached)
