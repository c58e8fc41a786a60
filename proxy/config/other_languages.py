"""Files that are no TOML: JSON, YAML, XML, blocks in braces."""

import re
from typing import Final

_YAML: Final = re.compile(r"\s*(?:- )?[A-Za-z_][\w.-]*:(?:\s|$)|\s*- \S|---\s*$")
BLOCK: Final = re.compile(r"\s*[\w:./*~ \"-]+\{\s*$")
"""A line that opens a block in braces, as in nginx."""
MARKER: Final = re.compile(r"(?:<{7}|>{7}|={7})(?: |$)")
"""What a merge left behind."""


def other_language(text: str) -> tuple[int, str] | None:
    """The line and the sentence where a file is not meant to be TOML."""
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    lines = [(n, line) for n, line in lines if not line.lstrip().startswith("#")]
    if not lines:
        return None
    number, first = lines[0]
    kind = ""
    if first.lstrip().startswith("{"):
        kind = "this is JSON"
    elif first.lstrip().startswith("<") and not MARKER.match(first):
        kind = "this is XML or HTML"
    elif _YAML.match(first):
        kind = "this is YAML"
    elif BLOCK.match(first):
        kind = "this is a block in braces"
    words = "expected TOML, with [name] above a table and name = value"
    init = "`sidecar-proxy init` writes a file to start from"
    return (number, f"{kind}, {words}; {init}") if kind else None
