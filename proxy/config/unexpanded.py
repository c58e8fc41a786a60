"""References to the environment in the spelling of other programs, which nothing here reads."""

import re
from collections.abc import Iterator
from typing import Any, Final

from proxy.config.problems import secret
from proxy.core.findings import WARNING, Finding, Place

_NAME: Final = r"([A-Za-z_][A-Za-z0-9_]*)"
_OTHER: Final = re.compile(
    rf"\{{\$(?:{_NAME})\}}|(?<!\$)\$(?:{_NAME}|\(\s*{_NAME}\s*\))|(?<!%)%{_NAME}%(?![0-9A-Fa-f]{{2}})"
    rf"|\{{env\.{_NAME}\}}"
    rf"|\{{\{{\s*(?:\.?[Ee]nv\.?)?\s*{_NAME}\s*\}}\}}|^(?:env|ENV)[:.]{_NAME}$"
)
_SCHEME: Final = re.compile(r"^[A-Za-z]+ +")
_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]*")
_PATTERNS: Final = ("path_regex", "pattern")
"""Options in which a $ has a meaning of its own."""


def other_reference(text: str) -> str:
    """The name of the variable that the whole of a text refers to in another spelling."""
    found = _OTHER.fullmatch(text.strip())
    name = next((group for group in found.groups() if group), "") if found else ""
    return name if _VARIABLE.fullmatch(name) else ""


def unexpanded(raw: Any, place: Place = ()) -> Iterator[Finding]:
    """Warn of strings with ``$NAME``, ``%NAME%``, ``{{ NAME }}``, ``env:NAME`` and the like."""
    if isinstance(raw, dict):
        for key, value in raw.items():
            if key not in _PATTERNS:
                yield from unexpanded(value, (*place, key))
    elif isinstance(raw, list):
        for index, value in enumerate(raw):
            yield from unexpanded(value, (*place, index))
    elif isinstance(raw, str) and (found := _OTHER.search(raw)):
        name = next(group for group in found.groups() if group)
        if place[-1] == "replacement":
            return  # its $1 has a warning of its own
        whole = found.end() == len(raw) and not _SCHEME.sub("", raw[: found.start()])
        if _VARIABLE.fullmatch(name) and (whole or not secret(place)):
            meant = f'"${{{name}}}"'
        elif found[0].startswith("$") and _fields(place) and name in _NGINX:
            meant = f'a variable as in "{{{_NGINX[name]}}}"'
        elif found[0].startswith("$") and whole and secret(place):
            meant = '"${NAME}"'  # the name is not repeated: it may be the secret
        else:
            return
        yield Finding(place, f"{WARNING} this is sent as it stands, did you mean {meant}?")


_NGINX: Final = {
    "remote_addr": "client_addr",
    "proxy_add_x_forwarded_for": "client_addr",
    "host": "host",
    "http_host": "host",
    "request_id": "request_id",
}


def _fields(place: Place) -> bool:
    return "request_headers" in place or "response_headers" in place
