"""The slip in a line that is no TOML, for somebody who does not write TOML daily."""

import re
import tomllib
from typing import Final, NamedTuple

from proxy.config.braces import long_table
from proxy.config.hidden import secret_key, shown_value
from proxy.config.other_languages import BLOCK, MARKER
from proxy.config.problems import secret

LEFT_OUT: Final = "left-out-"
"""Begins the name of a table that takes the options below a header that cannot be read."""
_CURLY: Final = str.maketrans(
    dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"')
    | dict.fromkeys("\u2018\u2019\u201a\u201b\u2032", "'")
)
_BLANKS: Final = str.maketrans(
    dict.fromkeys("\u00a0\u2007\u202f\u3000", " ") | {"\u200b": None, "\ufeff": None}
)
_STRINGS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')
_PAIR: Final = re.compile(r"\s*([A-Za-z0-9_.\"' -]+?)\s*(==|:=|=>|=|:)\s*(.*?)\s*$")
_NAMED: Final = re.compile(r"[{,]\s*([\w-]+)\s*:")
_OPEN: Final = re.compile(r"\s*[\w.\"'-]+\s*=\s*[\[{]")
_BARE: Final = re.compile(r"\"[^\"]*\"|'[^']*'|[^\s=\"'{}\[\]]+")
"""One value, with or without quotes."""
_SWITCHES: Final = {"on": "true", "yes": "true", "off": "false", "no": "false"}
_NOTHING: Final = ("None", "null", "nil", "NULL", "undefined", "~")


class Diagnosis(NamedTuple):
    """What is wrong in a line, and what to read in its place."""

    message: str
    mended: str | None = ""
    """What the line may stand for while the rest is read; None where nothing may be guessed."""
    began: int = 0
    """The line that is to blame, where it is an earlier one."""


def is_whole(lines: list[str]) -> bool:
    """Whether these lines are statements that end."""
    try:
        tomllib.loads("\n".join(lines))
    except (ValueError, RecursionError):
        return False
    return True


def diagnosis(lines: list[str], number: int, message: str, column: int) -> Diagnosis:
    """What is wrong in the line with this number; ``message`` and ``column``: of tomllib."""
    line = lines[number - 1]
    for look in (_marker, _behind, _signs, _comma, _colon, open_quote):
        if found := look(line, message):
            return found
    if text := long_table(lines, number):
        return Diagnosis(text, None)
    if "nclosed array" in message:
        start = next((n for n in range(number, 0, -1) if _OPEN.match(lines[n - 1])), number)
        text = "the list that begins here is not closed, or a comma is missing in it"
        return Diagnosis(text, "" if start == number else None, start)
    for look in (_header, _twice, _escape, _pair):
        if found := look(line, message):
            return found
    where = f" at column {column}" if column else " at the end of the file"
    return Diagnosis(f"{message[:1].lower()}{message[1:]}{where}")


def _marker(line: str, _: str) -> Diagnosis | None:
    if MARKER.match(line):
        return Diagnosis("a conflict of a merge is left here", None)
    if line.lstrip().startswith(("//", ";", "--", "/*")):
        return Diagnosis('a comment begins with "#"')
    return None


def _behind(line: str, message: str) -> Diagnosis | None:
    """A comment or a semicolon, as other languages have them behind a statement."""
    if "xpected newline" not in message:
        return None
    bare = _masked(line)
    if comment := re.search(r"\s//", bare.partition("#")[0]):
        return Diagnosis('a comment begins with "#"', line[: comment.start()])
    if bare.rstrip().endswith(";"):
        return Diagnosis("nothing stands behind a value, got ';'", line.rstrip()[:-1])
    return None


def _masked(line: str) -> str:
    """A line whose texts in quotes have no sign, at the same columns."""
    return _STRINGS.sub(lambda found: "_" * len(found[0]), line)


def _signs(line: str, _: str) -> Diagnosis | None:
    bare = _STRINGS.sub('""', line).partition("#")[0]
    if bare != bare.translate(_CURLY):
        sign = next(sign for sign in bare if sign != sign.translate(_CURLY))
        return Diagnosis(f"curly quotes: expected \" or ', got {sign}", line.translate(_CURLY))
    if bare != bare.translate(_BLANKS):
        return Diagnosis("a blank that is none: expected the plain one", line.translate(_BLANKS))
    return None


def _comma(line: str, message: str) -> Diagnosis | None:
    found = re.search(r",(?=\s*\})", _masked(line))
    if found and "key part" in message:
        text = "in an inline table no comma stands before the }"
        return Diagnosis(text, line[: found.start()] + line[found.end() :])
    return None


def _colon(line: str, message: str) -> Diagnosis | None:
    """An inline table as in JSON or YAML."""
    bare = _masked(line)
    braces = re.match(r"[^:{]*=[^:{]*\{|\s*\{", bare)
    found = list(_NAMED.finditer(bare, braces.end() - 1)) if braces else []
    if not found or "xpected '='" not in message:
        return None
    for each in reversed(found):
        line = f"{line[: each.end() - 1]} ={line[each.end() :]}"
    name = "NAME" if secret_key(line.partition("=")[0]) else found[0][1]
    return Diagnosis(f"in an inline table = stands behind a name: {{ {name} = ... }}", line)


def _header(line: str, message: str) -> Diagnosis | None:
    text = line.strip()
    if not text.startswith("["):
        return None
    name = text.strip("[] \t").partition("]")[0].partition("#")[0].strip()
    double = text.startswith("[[")
    header = f"[[{name}]]" if double else f"[{name}]"
    plain = re.fullmatch(r"[\w.\"'-]+", name)
    if not re.match(r"\[\[[^\]]*\]\]" if double else r"\[[^\]]*\]", text):
        return Diagnosis(f"not closed: expected {header}", header if plain else f"[{LEFT_OUT}]")
    if "twice" in message or "overwrite" in message or "mutate" in message:
        message = f"{header} is written twice, or as a value above; write all its options below one"
        return Diagnosis(message, f"[{LEFT_OUT}]")
    if not plain:
        message = f"not the name of a table: {name!r}; blanks stand in quotes only"
        return Diagnosis(message, f"[{LEFT_OUT}]")
    rest = re.sub(r"^\[+[^\]]*\]+", "", text)
    if rest.strip():
        return Diagnosis(
            f"expected nothing behind {header}, write the next on a line of its own", header
        )
    return None


def _twice(line: str, message: str) -> Diagnosis | None:
    if not any(
        word in message for word in ("overwrite", "twice", "uplicate", "mutate", "redefine")
    ):
        return None
    key = line.partition("=")[0].strip()
    return Diagnosis(f"{key} is written twice in the same table")


def open_quote(line: str, message: str) -> Diagnosis | None:
    """A quote that is not closed on its line."""
    if '"""' in line or "'''" in line:
        if "'''" in message or '"""' in message or "nterminated" in message or "xpected" in message:
            return Diagnosis("the text in three quotes that begins here is not closed", None)
        return None
    bare = _masked(line)
    comment = bare.find("#")
    at = min((bare.find(q) for q in "\"'" if q in bare), default=-1)
    if at < 0 or 0 <= comment < at:
        return None
    behind = line[:at].rstrip()[-1:]
    if behind.isalnum() or behind in ("_", '"', "'"):
        return Diagnosis(f"a quote too many at column {at + 1}, or one before it is missing")
    return Diagnosis(f"the quote that opens at column {at + 1} is not closed")


def _escape(line: str, message: str) -> Diagnosis | None:
    if "\\" not in line or ("\\" not in message and "scape" not in message and "ex" not in message):
        return None
    found = re.search(r'"((?:[^"\\]|\\.)*)"', line)
    if not found:
        return None
    text = found[1]
    if secret((line,)) or line.lstrip().startswith("value"):
        return Diagnosis('in "..." a \\ begins an escape: write \\\\, or single quotes around it')
    quoted = f"'{text}'" if "'" not in text else '"' + text.replace("\\", "\\\\") + '"'
    return Diagnosis(
        f'in "..." a \\ begins an escape: write {quoted}, where it stands for itself',
        line[: found.start()] + quoted + line[found.end() :],
    )


def _pair(line: str, message: str) -> Diagnosis | None:
    """``key = value`` with something wrong about the sign or the value."""
    text = line.strip()
    first, *rest = _uncommented(line).split(maxsplit=1) or [""]
    named = bool(rest) and re.fullmatch(r"[\w.-]*\w", first) and rest[0][0] not in "=:"
    if named and (secret_key(first) or _BARE.fullmatch(rest[0].strip())):
        return _unsigned(first, rest[0].strip())
    found = _PAIR.match(_uncommented(line))
    if not found:
        if text in ("{", "}", "},") or BLOCK.match(line):
            return Diagnosis("a table begins with [name] and has no braces around it", None)
        return Diagnosis(f"expected name = value, got {shown_value(first, text)}") if text else None
    key, sign, value = found.groups()
    if sign != "=":
        return Diagnosis(f"expected {key} = value, got {sign!r} between them")
    if key.startswith("- "):
        message = "no dash stands before a name: each table of a list begins with its [[NAME]]"
        return Diagnosis(message, line.replace("- ", "", 1))
    if " " in key and not key.startswith(('"', "'")) and "." not in key:
        word = key.removeprefix("export ").removeprefix("set ").strip()
        return Diagnosis(f"a name has no blanks, did you mean {word.replace(' ', '_')!r}?")
    return _value(key, value)


def _unsigned(key: str, value: str) -> Diagnosis:
    """A name and its value with nothing between them."""
    message = f"expected {key} = value, the = is missing"
    if secret_key(key):
        return Diagnosis(message)
    whole = f"{key} = {value}"
    return Diagnosis(message, whole if is_whole([whole]) else f'{key} = "{value}"')


def _uncommented(line: str) -> str:
    bare = _masked(line)
    at = bare.find("#")
    return line if at < 0 else line[:at]


def _value(key: str, value: str) -> Diagnosis | None:
    if not value:
        return Diagnosis(f"a value is missing: expected {key} = value")
    if value.startswith(("[", "{")):
        items = [item.strip() for item in value[1:-1].split(",") if item.strip()]
        if value[0] == "[" and value[-1] == "]" and not set("\"'[]{}") & set(value[1:-1]):
            text = ", ".join(each if is_whole([f"x = {each}"]) else f'"{each}"' for each in items)
            shown = "..." if secret_key(key) else text
            return Diagnosis(f"text stands in quotes: {key} = [{shown}]", f"{key} = [{text}]")
        return None
    if value[-1] in ",;" and is_whole([f"{key} = {value[:-1]}"]):
        return Diagnosis(
            f"nothing stands behind a value, got {value[-1]!r}", f"{key} = {value[:-1]}"
        )
    if value.lower() in ("true", "false"):
        return Diagnosis(f"expected {value.lower()}, got {value}", f"{key} = {value.lower()}")
    if value.lower() in _SWITCHES and key.strip() != "adaptive":
        meant = _SWITCHES[value.lower()]
        return Diagnosis(f"expected {meant}, got {value}", f"{key} = {meant}")
    if value in _NOTHING:
        return Diagnosis(f"TOML has no {value}: leave the option out for its default")
    if value[0] in "\"'":
        rest = _STRINGS.sub("", value, count=1).strip()
        return (
            Diagnosis(f"nothing stands behind a value, got {shown_value(key, rest)}")
            if rest
            else None
        )
    if '"' in value or "'" in value or "\\" in value or len(value) > 200:
        return None
    shown = '"..."' if secret_key(key) else f'"{value}"'
    return Diagnosis(f"text stands in quotes: {key} = {shown}", f'{key} = "{value}"')
