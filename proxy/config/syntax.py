"""What is no TOML: every such place in a file, in words for somebody who does not write TOML daily.

tomllib stops at the first fault. Where it lies within one line, between two statements that can be
read, the line is mended or left out and the file is read again, so that one look finds them all.
"""

import re
import tomllib
from typing import Any, Final, NamedTuple

from proxy.config.limits import loads, overlong
from proxy.config.model import LISTS
from proxy.config.other_languages import other_language
from proxy.config.slips import LEFT_OUT, diagnosis, is_whole, open_quote

_MOST: Final = 20
"""Faults after which the rest is not looked at; each costs two readings of the file."""

_POSITION: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class Fault(NamedTuple):
    """One place that is no TOML."""

    line: int
    message: str


_NO_VALUE: Final = re.compile(r"\s*([\w-]+)\s*[:=]\s*")
_LIST: Final = re.compile(rf"\s*\[\[\s*({'|'.join(LISTS)})\s*\]\]")
_SINGLE: Final = re.compile(rf"\s*\[\s*({'|'.join(LISTS)})\s*\]")
"""The header of one table where a list of them is meant."""


def read(text: str) -> tuple[dict[str, Any], str, list[Fault]]:
    """What can be read, the text of it with the same lines, and what is wrong with the rest."""
    faults: list[Fault] = []
    lines = text.replace("\r\n", "\n").split("\n")
    while True:
        try:
            tree = loads("\n".join(lines))
            tree = {key: value for key, value in tree.items() if not key.startswith(LEFT_OUT)}
            return tree, "\n".join(lines), faults
        except (ValueError, RecursionError) as error:
            if not _POSITION.search(str(error)) and (long := overlong("\n".join(lines))):
                return (*_before(lines, long[0]), [*faults, Fault(*long)])
            line, message, column = _where(error, lines)
        if not column and message == 'Expected "\'"':
            # A single quote that no other follows in the whole file.
            line = next((n for n, each in enumerate(lines, 1) if open_quote(each, message)), line)
        if not faults and (other := other_language(text)):
            return {}, "", [Fault(*other)]
        if again := _misplaced(lines, line) or _doubled(lines, line) or _dashed(lines, line):
            faults += again
            continue
        found = diagnosis(lines, line, message, column)
        faults.append(Fault(found.began or line, found.message))
        if found.mended is None or len(faults) == _MOST or not is_whole(lines[: line - 1]):
            return (*_before(lines, line), faults)
        if lines[line - 1] == found.mended:
            found = found._replace(mended="")
        lines[line - 1] = (found.mended or "").replace(LEFT_OUT, f"{LEFT_OUT}{line}")


def _misplaced(lines: list[str], line: int) -> list[Fault]:
    """Tables of a route or an upstream above their list, which begins in ``line``.

    Their headers are replaced in ``lines`` by tables that are left out.
    """
    found = _LIST.match(lines[line - 1])
    if not found:
        return []
    name, faults = found[1], []
    for number, each in enumerate(lines[: line - 1], 1):
        if _LIST.match(each) and name in each:
            break
        early = re.match(rf"\s*\[\s*({name}\.[^\]]+?)\s*\]", each)
        if early:
            lines[number - 1] = f"[{LEFT_OUT}{number}]"
            message = f"[{early[1]}] stands above [[{name}]], write it below the one it is for"
            faults.append(Fault(number, message))
    return faults


def _doubled(lines: list[str], line: int) -> list[Fault]:
    """``[routes]`` where there are several: all are taken for what is meant, in ``lines``."""
    name = lines[line - 1].strip("[] \t").partition("]")[0].strip()
    if not lines[line - 1].lstrip().startswith("[") or name not in LISTS:
        return []
    faults = []
    for number, each in enumerate(lines, 1):
        found = _SINGLE.match(each)
        if found and found[1] == name:
            message = f"expected [[{name}]], a list of tables, got [{name}]"
            faults.append(Fault(number, message))
            lines[number - 1] = f"[[{name}]]"
    return faults


def _dashed(lines: list[str], line: int) -> list[Fault]:
    """A list whose items stand behind dashes below it; they are left out in ``lines``."""
    found, last = _NO_VALUE.fullmatch(lines[line - 1]), line
    while last < len(lines) and lines[last].lstrip().startswith("- "):
        last += 1
    if not found or last == line:
        return []
    lines[line - 1 : last] = [""] * (last - line + 1)
    return [Fault(line, f'expected {found[1]} = ["...", "..."], a list in brackets')]


def _where(error: Exception, lines: list[str]) -> tuple[int, str, int]:
    """Line, words and column of what tomllib says; column 0 is the end of the file."""
    message = str(error) if not isinstance(error, RecursionError) else "nested too deeply"
    found = _POSITION.search(message)
    if not found:
        return 1, message, 0
    last = next((n for n in range(len(lines), 1, -1) if lines[n - 1].strip()), 1)
    line, column = (int(found[1]), int(found[2])) if found[1] else (last, 0)
    if line > 1 and not lines[line - 1].strip():  # the break at the end of a line, seen late
        line = next((n for n in range(line, 0, -1) if lines[n - 1].strip()), 1)
    return line, message[: found.start()], column


def _before(lines: list[str], line: int) -> tuple[dict[str, Any], str]:
    """What stands before the line, as far as that can be read, and its text."""
    text = "\n".join(lines[: line - 1])
    try:
        return tomllib.loads(text), text
    except (ValueError, RecursionError):
        return {}, ""
