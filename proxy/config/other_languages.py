"""Files that are no TOML: JSON, YAML, XML, blocks in braces."""

import re
from typing import Final

_YAML: Final = re.compile(r"\s*(?:- )?[A-Za-z_][\w.-]*:(?:\s|$)|\s*- \S|---\s*$")
BLOCK: Final = re.compile(r"\s*[\w:./*~ \"-]+\{\s*$")
"""A line that opens a block in braces, as in nginx."""
_NGINX: Final = re.compile(r"\s*[a-z_]+(?:\s[^=;{}\[\]\"]*)?;\s*(?:#.*)?|[^=\[\"{]+\{[^=]*\}\s*")
"""A directive, or a block on one line."""
_HAPROXY: Final = re.compile(
    r"\s*(?:global|defaults)\b[^=\n]*"
    r"|\s*(?:frontend|backend|listen)\s+[A-Za-z][\w.-]*\s*\n[ \t]+\S.*"
)
"""A section, whose name another line stands below: without one, a = was forgotten."""
_CADDY: Final = re.compile(
    r"\s*(?::\d+|[\w*-]+(?:\.[\w*-]+)+(?::\d+)?(?:,\s*\S+)*)\s*"
    r"|\s*(?:reverse_proxy|file_server|respond|redir|encode|tls|import)\s[^=]*"
)
"""The address of a site, or a directive."""
MARKER: Final = re.compile(r"(?:<{7}|>{7}|={7})(?: |$)")
"""What a merge left behind."""


def other_language(text: str) -> tuple[int, str] | None:
    """The line and the sentence where a file is not meant to be TOML."""
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    lines = [(n, line) for n, line in lines if not line.lstrip().startswith("#")]
    if not lines:
        return None
    number, first = lines[0]
    second = lines[1][1] if len(lines) > 1 else ""
    kind = ""
    if first.strip() == "{" and re.match(r"\s*\w+(?:\s|$)", second):  # options for all sites
        kind = "this is a configuration of Caddy"
    elif first.lstrip().startswith("{"):
        kind = "this is JSON"
    elif first.lstrip().startswith("<") and not MARKER.match(first):
        kind = "this is XML or HTML"
    elif _YAML.match(first):
        kind = "this is YAML"
    elif _NGINX.fullmatch(first):
        kind = "this is a configuration of nginx"
    elif _HAPROXY.fullmatch(first) or _HAPROXY.fullmatch(f"{first}\n{second}"):
        kind = "this is a configuration of HAProxy"
    elif _CADDY.fullmatch(first):
        kind = "this is a configuration of Caddy"
    elif BLOCK.match(first):
        kind = "this is a block in braces"
    words = "expected TOML, with [name] above a table and name = value"
    init = "`sidecar-proxy init` writes a file to start from"
    if " of " in kind:
        init += ", and docs/guides/coming-from.md says what its options are called here"
    return (number, f"{kind}, {words}; {init}") if kind else None
