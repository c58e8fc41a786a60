"""What is too deep or too long for a configuration, and on which line of its file.

Everything here walks trees by recursion, a level in a few calls; Python stops at a thousand.
"""

import re
import tomllib
from typing import Any, Final

DEEPEST: Final = 64
"""Levels that one statement may open, with its table; the deepest option has six."""
_DEEPEST_TREE: Final = 2 * DEEPEST + 2
"""A table in double brackets is two levels."""
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]_?){4301,}")
"""An integer with more digits than Python reads."""

TOO_DEEP: Final = f"nested too deeply: at most {DEEPEST} levels"
TOO_LONG: Final = "a number with too many digits"


def is_deep(tree: Any) -> bool:
    """Whether it has too many levels to be walked."""
    level = [tree]
    for _ in range(_DEEPEST_TREE):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def loads(text: str) -> dict[str, Any]:
    """As ``tomllib.loads``. Raises RecursionError too where the tree is too deep to be walked."""
    tree = tomllib.loads(text)
    if is_deep(tree):
        raise RecursionError
    return tree


def overlong(text: str) -> tuple[int, str] | None:
    """The line of what is too deep or too long, and what to say of it."""
    from proxy.config.lines import tokens  # noqa: PLC0415 - a clean file never needs it

    line, header, dots = 1, 0, 0
    opened: list[int] = []
    """What each open bracket adds, with the dotted key before it."""
    begins, in_header = True, False
    for kind, token in tokens(text):
        if kind == "newline":
            if in_header:
                header, in_header = dots + 1, False
                opened.clear()
            dots, begins = 0, not opened
        elif kind == "mark":
            if begins and token == "[":
                in_header, header = True, 0
            if token in "[{":
                opened.append(dots + 1)
                dots = 0 if not in_header else dots
            elif token in "]}":
                dots = dots if in_header or not opened else opened[-1] - 1
                opened = opened[:-1]
            elif token == ",":
                dots = 0
            begins = False
        else:
            begins = False
            dots += token.count(".") if kind == "bare" else 0
            if kind == "bare" and _NUMBER.fullmatch(token):
                return line, TOO_LONG
        if header + sum(opened) + dots >= DEEPEST:
            return line, TOO_DEEP
        line += token.count("\n")
    return None
