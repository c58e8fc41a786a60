"""On which line of a TOML file a place first appears.

One pass over the tokens of a file that tomllib has read already. Because the file is known to be
valid, the scanner only has to tell where keys, strings and brackets begin and end: the work grows
with the length of the file, however long its lists are.
"""

import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final

from proxy.core.findings import Place

_TOKEN: Final = re.compile(
    r"""
      (?P<blank>[ \t\r]++|\#[^\n]*+)
    | (?P<newline>\n)
    | (?P<text>\"{3}(?>(?:[^"\\]|\\.|"{1,2}(?!"))*)"{3,5} | '{3}(?>(?:[^']|'{1,2}(?!'))*)'{3,5}
              |"(?>(?:[^"\\\n]|\\.)*)" | '[^'\n]*+')
    | (?P<mark>[\[\]{}=,])
    | (?P<bare>[^\s\[\]{}=,\#"']++)
    """,
    re.VERBOSE | re.DOTALL,
)
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")


def tokens(text: str) -> Iterator[tuple[str, str]]:
    """The tokens of a file with their kinds, as far as it can be read; blanks are left out."""
    at = 0
    while found := _TOKEN.match(text, at):
        at = found.end()
        if found.lastgroup != "blank":
            yield str(found.lastgroup), found[0]


class Lines:
    """The line of every place in a file that is valid TOML."""

    def __init__(self, text: str) -> None:
        self._first: dict[Place, int] = {}
        self._last: dict[Place, int] = {}
        """Index of the latest table in each list of tables."""
        self._scanner = _Scanner(text)
        self._file()
        del self._scanner

    def __contains__(self, place: Place) -> bool:
        return place in self._first

    def of(self, place: Place) -> int:
        """The line of a place, or of the table that should hold it."""
        while place and place not in self._first:
            place = place[:-1]
        return self._first.get(place, 1)

    def _file(self) -> None:
        table: Place = ()
        scanner = self._scanner
        while scanner.skip_lines():
            line = scanner.line
            if scanner.take("["):
                double = scanner.take("[")
                table = self._header(scanner.key("]"), line, double=double)
                if double:
                    scanner.take("]")
            else:
                self._pair(table)

    def _header(self, keys: list[str], line: int, *, double: bool) -> Place:
        """Enter ``[a.b]`` or ``[[a.b]]``; a name on the way may be a list of tables."""
        place: Place = ()
        for key in keys:
            if place in self._last:
                place = (*place, self._last[place])
            place = (*place, key)
            self._first.setdefault(place, line)
        if double:
            self._last[place] = self._last.get(place, -1) + 1
        if place in self._last:
            place = (*place, self._last[place])
            self._first.setdefault(place, line)
        return place

    def _pair(self, table: Place) -> None:
        """``a.b = VALUE`` in a table; the place of each part is on the line of the key."""
        line = self._scanner.line
        place = table
        for key in self._scanner.key("="):
            place = (*place, key)
            self._first.setdefault(place, line)
        self._value(place)

    def _value(self, place: Place) -> None:
        scanner = self._scanner
        if scanner.take("["):
            index = 0
            while scanner.skip_lines() and not scanner.take("]"):
                if not scanner.take(","):
                    self._first.setdefault((*place, index), scanner.line)
                    self._value((*place, index))
                    index += 1
        elif scanner.take("{"):
            while scanner.skip_lines() and not scanner.take("}"):
                if not scanner.take(","):
                    self._pair(place)
        else:
            scanner.scalar()


class _Scanner:
    """The tokens of a file, one ahead; ``line`` is that of the token ahead."""

    def __init__(self, text: str) -> None:
        self._tokens = tokens(text.replace("\r\n", "\n"))
        self.line = 1
        self._next_line = 1
        self._kind = ""
        self._text = ""
        self._advance()

    def _advance(self) -> None:
        self.line = self._next_line
        self._kind, self._text = next(self._tokens, ("", ""))
        self._next_line += self._text.count("\n")

    def skip_lines(self) -> bool:
        """Go to the next token that is no line break. False at the end of the file."""
        while self._kind == "newline":
            self._advance()
        return bool(self._kind)

    def take(self, mark: str) -> bool:
        """Step over this mark if it is ahead."""
        if self._text != mark:
            return False
        self._advance()
        return True

    def key(self, end: str) -> list[str]:
        """The parts of a dotted key, up to ``end``, which is stepped over."""
        text = ""
        while self._kind and self._text != end:
            text += self._text
            self._advance()
        self._advance()
        if _PLAIN.fullmatch(text):
            return text.split(".")
        keys = []
        tree: Any = tomllib.loads(f"{text} = 0")
        while isinstance(tree, dict):
            [(key, tree)] = tree.items()
            keys.append(key)
        return keys

    def scalar(self) -> None:
        """Step over a value that is no list and no table; a date may have a blank in it."""
        self._advance()
        while self._kind in ("bare", "text"):
            self._advance()
