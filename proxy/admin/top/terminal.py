"""Lines for a terminal, or for what stands in its place: a pipe, a file, one that is dumb."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

CLEAR: Final = "\33[H\33[J"
BOLD, RED, GREEN, YELLOW, SOFT = "\33[1m", "\33[31m", "\33[32m", "\33[33m", "\33[2m"
_END: Final = "\33[0m"
_NAME: Final = 8
"""Letters of a name that stay, however narrow it is."""


class Line(NamedTuple):
    """A line and how it looks."""

    text: str
    look: str = ""
    wraps: bool = False
    """Whether all of it is shown, over several lines."""


class Terminal(NamedTuple):
    """What may be written to it."""

    columns: int = 0
    """0: as long as a line is."""
    lines: int = 0
    """0: as many as there are."""
    clears: bool = False
    """Whether it obeys escape codes."""
    colours: bool = False


def standard_output(*, once: bool) -> Terminal:
    """What it is now: it may change its size. ``once``: nothing is shown in its place later."""
    if not sys.stdout.isatty():
        return Terminal()
    size = shutil.get_terminal_size()
    clever = os.environ.get("TERM", "dumb") not in ("", "dumb")
    return Terminal(
        columns=size.columns,
        lines=0 if once else max(1, size.lines - 1),
        clears=clever and not once,
        colours=clever and not os.environ.get("NO_COLOR"),
    )


def write(lines: Iterable[Line], terminal: Terminal) -> None:
    """To standard output. Raises OSError, such as BrokenPipeError."""
    text = "".join(f"{dressed(line, colours=terminal.colours)}\n" for line in lines)
    sys.stdout.write(f"{CLEAR}{text}" if terminal.clears else text)
    sys.stdout.flush()


def fitted(lines: Iterable[Line], columns: int) -> list[Line]:
    """The same, none of them longer than that. A terminal obeys control characters: names are shown
    without any."""
    found = []
    for line in lines:
        text = "".join(each if each.isprintable() else "?" for each in line.text)
        if not columns or len(text) <= columns:
            texts = [text]
        elif line.wraps:
            texts = textwrap.wrap(text, columns, subsequent_indent="  ", break_on_hyphens=False)
        else:
            texts = [text[:columns]]
        found += [Line(each, line.look) for each in texts]
    return found


def dressed(line: Line, *, colours: bool) -> str:
    """As it is written."""
    return f"{line.look}{line.text}{_END}" if line.look and line.text and colours else line.text


def elided(text: str, most: int) -> str:
    """At most that many letters of it, from its beginning and its end."""
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[len(text) - tail :]}"


def table(rows: Sequence[Sequence[str]], columns: int) -> list[str]:
    """Names in the first column, which gives way; numbers; words in the last."""
    name, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    if columns:
        name = min(name, max(_NAME, columns - sum(widths) - len(widths) - 1))
    texts = []
    for first, *numbers, last in rows:
        cells = [elided(first, name).ljust(name)]
        cells += [each.rjust(wide) for each, wide in zip(numbers, widths, strict=False)]
        texts.append(f"{' '.join(cells)}  {last}")
    return texts


def shared(wanted: Sequence[int], room: int, least: int) -> list[int]:
    """How many lines each gets. Who gets any gets ``least`` first, or all that it wants."""
    given = []
    for number in wanted:
        first = min(number, least)
        given.append(first if first <= room else 0)
        room -= given[-1]
    growing = [index for index, number in enumerate(given) if 0 < number < wanted[index]]
    while room > 0 and growing:
        for index in growing[:room]:
            given[index] += 1
        room -= len(growing)
        growing = [index for index in growing if given[index] < wanted[index]]
    return given
