"""An inline table over several lines, which TOML 1.0 does not have."""

import re
from typing import Final

_STRINGS: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'')
_OPENS: Final = re.compile(r"(?:^|[=\[,{])\s*\{")
_NAMED: Final = re.compile(r"\s*([\w-]+(?:\.[\w-]+)*)\s*=\s*([\[{])")
_HEADER: Final = re.compile(r"\s*\[{1,2}\s*([\w.-]+)\s*\]{1,2}")


def long_table(lines: list[str], number: int) -> str:
    """The sentence about the table that the line with this number opens and does not close."""
    bare = _bare(lines[number - 1])
    if bare.count("{") <= bare.count("}") or not _OPENS.search(bare):
        return ""
    owner = _owner(lines, number)
    if not owner:
        return ""
    name, sign = owner
    header = next((f[1] for n in range(number - 1, 0, -1) if (f := _header(lines[n - 1]))), "")
    whole = f"{header}.{name}" if header else name
    longer = f"or write [[{whole}]]" if sign == "[" else "a longer one is a [table]"
    return f"an inline table {{ }} stands on one line; {longer}"


def _owner(lines: list[str], number: int) -> tuple[str, str] | None:
    """The option whose value is open in this line, and the sign that opens it."""
    deep = 0
    for at in range(number, 0, -1):
        bare = _bare(lines[at - 1])
        found = _NAMED.match(bare)
        deep += bare.count("[") - bare.count("]")
        if found and (at == number or deep > 0):
            return found[1], found[2]
        if _header(bare):
            return None
    return None


def _header(line: str) -> re.Match[str] | None:
    return _HEADER.fullmatch(_bare(line).rstrip())


def _bare(line: str) -> str:
    """A line without its comment, whose texts in quotes have no sign."""
    return _STRINGS.sub(lambda found: "_" * len(found[0]), line).partition("#")[0]
