"""What is no TOML: every such place in a file, in words for somebody who does not write TOML daily.

tomllib stops at the first fault. Where it lies within one line, between two statements that can be
read, the line is mended or left out and the file is read again, so that one look finds them all.
"""

import re
import tomllib
from typing import Any, Final, NamedTuple

from proxy.config.hidden import secret_key, shown_value
from proxy.config.limits import loads, overlong
from proxy.config.misplaced import above
from proxy.config.model import LISTS
from proxy.config.other_languages import BLOCK, MARKER, other_language
from proxy.config.problems import secret

_LEFT_OUT: Final = "left-out-"
"""Begins the name of a table that takes the options below a header that cannot be read."""
_MOST: Final = 20
"""Faults after which the rest is not looked at; each costs two readings of the file."""

_POSITION: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_CURLY: Final = str.maketrans(
    dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"')
    | dict.fromkeys("\u2018\u2019\u201a\u201b\u2032", "'")
)
_BLANKS: Final = str.maketrans(
    dict.fromkeys("\u00a0\u2007\u202f\u3000", " ") | {"\u200b": None, "\ufeff": None}
)
_STRINGS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')
_PAIR: Final = re.compile(r"\s*([A-Za-z0-9_.\"' -]+?)\s*(==|:=|=>|=|:)\s*(.*?)\s*$")
_OPEN: Final = re.compile(r"\s*[\w.\"'-]+\s*=\s*[\[{]")
_SWITCHES: Final = {"on": "true", "yes": "true", "off": "false", "no": "false"}
_NOTHING: Final = ("None", "null", "nil", "NULL", "undefined", "~")


class Fault(NamedTuple):
    """One place that is no TOML."""

    line: int
    message: str


class _Diagnosis(NamedTuple):
    message: str
    mended: str | None = ""
    """What the line may stand for while the rest is read; None where nothing may be guessed."""
    began: int = 0
    """The line that is to blame, where it is an earlier one."""


_SINGLE: Final = re.compile(rf"\s*\[\s*({'|'.join(LISTS)})\s*\]")
"""The header of one table where a list of them is meant."""


def read(text: str) -> tuple[dict[str, Any], str, list[Fault]]:
    """What can be read, the text of it with the same lines, and what is wrong with the rest."""
    faults: list[Fault] = []
    lines = text.replace("\r\n", "\n").split("\n")
    while True:
        try:
            tree = loads("\n".join(lines))
            tree = {key: value for key, value in tree.items() if not key.startswith(_LEFT_OUT)}
            return tree, "\n".join(lines), faults
        except (ValueError, RecursionError) as error:
            if not _POSITION.search(str(error)) and (long := overlong("\n".join(lines))):
                return (*_before(lines, long[0]), [*faults, Fault(*long)])
            line, message, column = _where(error, lines)
        if not column and message == 'Expected "\'"':
            # A single quote that no other follows in the whole file.
            line = next((n for n, each in enumerate(lines, 1) if _quotes(each, message)), line)
        if not faults and (other := other_language(text)):
            return {}, "", [Fault(*other)]
        early = [Fault(*each) for each in above(lines, line, _LEFT_OUT)]
        if again := early or _doubled(lines, line):
            faults += again
            continue
        found = _diagnosis(lines, line, message, column)
        faults.append(Fault(found.began or line, found.message))
        if found.mended is None or len(faults) == _MOST or not _whole(lines[: line - 1]):
            return (*_before(lines, line), faults)
        if lines[line - 1] == found.mended:
            found = found._replace(mended="")
        lines[line - 1] = (found.mended or "").replace(_LEFT_OUT, f"{_LEFT_OUT}{line}")


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


def _whole(lines: list[str]) -> bool:
    """Whether these lines are statements that end."""
    try:
        tomllib.loads("\n".join(lines))
    except (ValueError, RecursionError):
        return False
    return True


def _before(lines: list[str], line: int) -> tuple[dict[str, Any], str]:
    """What stands before the line, as far as that can be read, and its text."""
    text = "\n".join(lines[: line - 1])
    try:
        return tomllib.loads(text), text
    except (ValueError, RecursionError):
        return {}, ""


def _diagnosis(lines: list[str], number: int, message: str, column: int) -> _Diagnosis:
    line = lines[number - 1]
    for look in (_marker, _signs, _comma, _quotes):
        if found := look(line, message):
            return found
    if "nclosed array" in message:
        start = next((n for n in range(number, 0, -1) if _OPEN.match(lines[n - 1])), number)
        text = "the list that begins here is not closed, or a comma is missing in it"
        return _Diagnosis(text, "" if start == number else None, start)
    for look in (_header, _twice, _escape, _pair):
        if found := look(line, message):
            return found
    where = f" at column {column}" if column else " at the end of the file"
    return _Diagnosis(f"{message[:1].lower()}{message[1:]}{where}")


def _marker(line: str, _: str) -> _Diagnosis | None:
    if MARKER.match(line):
        return _Diagnosis("a conflict of a merge is left here", None)
    if line.lstrip().startswith(("//", ";", "--", "/*")):
        return _Diagnosis('a comment begins with "#"')
    return None


def _signs(line: str, _: str) -> _Diagnosis | None:
    bare = _STRINGS.sub('""', line).partition("#")[0]
    if bare != bare.translate(_CURLY):
        sign = next(sign for sign in bare if sign != sign.translate(_CURLY))
        return _Diagnosis(f"curly quotes: expected \" or ', got {sign}", line.translate(_CURLY))
    if bare != bare.translate(_BLANKS):
        return _Diagnosis("a blank that is none: expected the plain one", line.translate(_BLANKS))
    return None


def _comma(line: str, message: str) -> _Diagnosis | None:
    found = re.search(r",(?=\s*\})", _STRINGS.sub(lambda each: "_" * len(each[0]), line))
    if found and "key part" in message:
        text = "in an inline table no comma stands before the }"
        return _Diagnosis(text, line[: found.start()] + line[found.end() :])
    return None


def _header(line: str, message: str) -> _Diagnosis | None:
    text = line.strip()
    if not text.startswith("["):
        return None
    name = text.strip("[] \t").partition("]")[0].partition("#")[0].strip()
    double = text.startswith("[[")
    header = f"[[{name}]]" if double else f"[{name}]"
    plain = re.fullmatch(r"[\w.\"'-]+", name)
    if not re.match(r"\[\[[^\]]*\]\]" if double else r"\[[^\]]*\]", text):
        return _Diagnosis(f"not closed: expected {header}", header if plain else f"[{_LEFT_OUT}]")
    if "twice" in message or "overwrite" in message or "mutate" in message:
        message = f"{header} is written twice, or as a value above; write all its options below one"
        return _Diagnosis(message, f"[{_LEFT_OUT}]")
    if not plain:
        message = f"not the name of a table: {name!r}; blanks stand in quotes only"
        return _Diagnosis(message, f"[{_LEFT_OUT}]")
    rest = re.sub(r"^\[+[^\]]*\]+", "", text)
    if rest.strip():
        return _Diagnosis(
            f"expected nothing behind {header}, write the next on a line of its own", header
        )
    return None


def _twice(line: str, message: str) -> _Diagnosis | None:
    if not any(
        word in message for word in ("overwrite", "twice", "uplicate", "mutate", "redefine")
    ):
        return None
    key = line.partition("=")[0].strip()
    return _Diagnosis(f"{key} is written twice in the same table")


def _quotes(line: str, message: str) -> _Diagnosis | None:
    """A quote that is not closed on its line."""
    if '"""' in line or "'''" in line:
        if "'''" in message or '"""' in message or "nterminated" in message or "xpected" in message:
            return _Diagnosis("the text in three quotes that begins here is not closed", None)
        return None
    bare = _STRINGS.sub(lambda found: "_" * len(found[0]), line)
    comment = bare.find("#")
    at = min((bare.find(q) for q in "\"'" if q in bare), default=-1)
    if at < 0 or 0 <= comment < at:
        return None
    behind = line[:at].rstrip()[-1:]
    if behind.isalnum() or behind in ("_", '"', "'"):
        return _Diagnosis(f"a quote too many at column {at + 1}, or one before it is missing")
    return _Diagnosis(f"the quote that opens at column {at + 1} is not closed")


def _escape(line: str, message: str) -> _Diagnosis | None:
    if "\\" not in line or ("\\" not in message and "scape" not in message and "ex" not in message):
        return None
    found = re.search(r'"((?:[^"\\]|\\.)*)"', line)
    if not found:
        return None
    text = found[1]
    if secret((line,)) or line.lstrip().startswith("value"):
        return _Diagnosis('in "..." a \\ begins an escape: write \\\\, or single quotes around it')
    quoted = f"'{text}'" if "'" not in text else '"' + text.replace("\\", "\\\\") + '"'
    return _Diagnosis(
        f'in "..." a \\ begins an escape: write {quoted}, where it stands for itself',
        line[: found.start()] + quoted + line[found.end() :],
    )


def _pair(line: str, message: str) -> _Diagnosis | None:
    """``key = value`` with something wrong about the sign or the value."""
    text = line.strip()
    found = _PAIR.match(_uncommented(line))
    if not found:
        if text in ("{", "}", "},") or BLOCK.match(line):
            return _Diagnosis("a table begins with [name] and has no braces around it", None)
        return _Diagnosis(f"expected name = value, got {shown_value(text, text)}") if text else None
    key, sign, value = found.groups()
    if sign != "=":
        return _Diagnosis(f"expected {key} = value, got {sign!r} between them")
    if " " in key and not key.startswith(('"', "'")) and "." not in key:
        word = key.removeprefix("export ").removeprefix("set ").strip()
        return _Diagnosis(f"a name has no blanks, did you mean {word.replace(' ', '_')!r}?")
    return _value(key, value)


def _uncommented(line: str) -> str:
    bare = _STRINGS.sub(lambda found: "_" * len(found[0]), line)
    at = bare.find("#")
    return line if at < 0 else line[:at]


def _value(key: str, value: str) -> _Diagnosis | None:
    if not value:
        return _Diagnosis(f"a value is missing: expected {key} = value")
    if value.startswith(("[", "{")):
        if value.startswith("{") and not value.endswith("}"):
            return _Diagnosis(
                "an inline table { } stands on one line; a longer one is a [table]", None
            )
        items = [item.strip() for item in value[1:-1].split(",") if item.strip()]
        if value[0] == "[" and value[-1] == "]" and not set("\"'[]{}") & set(value[1:-1]):
            text = ", ".join(each if _whole([f"x = {each}"]) else f'"{each}"' for each in items)
            shown = "..." if secret_key(key) else text
            return _Diagnosis(f"text stands in quotes: {key} = [{shown}]", f"{key} = [{text}]")
        return None
    if value[-1] in ",;" and _whole([f"{key} = {value[:-1]}"]):
        return _Diagnosis(
            f"nothing stands behind a value, got {value[-1]!r}", f"{key} = {value[:-1]}"
        )
    if value.lower() in ("true", "false"):
        return _Diagnosis(f"expected {value.lower()}, got {value}", f"{key} = {value.lower()}")
    if value.lower() in _SWITCHES and key.strip() != "adaptive":
        meant = _SWITCHES[value.lower()]
        return _Diagnosis(f"expected {meant}, got {value}", f"{key} = {meant}")
    if value in _NOTHING:
        return _Diagnosis(f"TOML has no {value}: leave the option out for its default")
    if value[0] in "\"'":
        rest = _STRINGS.sub("", value, count=1).strip()
        return (
            _Diagnosis(f"nothing stands behind a value, got {shown_value(key, rest)}")
            if rest
            else None
        )
    if '"' in value or "'" in value or "\\" in value or len(value) > 200:
        return None
    shown = '"..."' if secret_key(key) else f'"{value}"'
    return _Diagnosis(f"text stands in quotes: {key} = {shown}", f'{key} = "{value}"')
