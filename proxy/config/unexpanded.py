"""References to the environment in the spelling of other programs, which nothing here reads."""

import re
from collections.abc import Iterator
from typing import Any, Final

from proxy.config.problems import secret
from proxy.config.similar import plain
from proxy.core.findings import Finding, Place, warn

_NAME: Final = r"([A-Za-z_][A-Za-z0-9_]*)"
_OTHER: Final = re.compile(
    rf"\{{\$(?:{_NAME})\}}|(?<!\$)\$(?:{_NAME}|\(\s*{_NAME}\s*\))|(?<!%)%{_NAME}%(?![0-9A-Fa-f]{{2}})"
    rf"|\{{env\.{_NAME}\}}"
    rf"|\{{\{{\s*(?:\.?[Ee]nv\.?)?\s*{_NAME}\s*\}}\}}|^(?:env|ENV)[:.]{_NAME}$"
)
_SCHEME: Final = re.compile(r"^[A-Za-z]+ +")
_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]*")
_IN_FIELDS: Final = re.compile(
    r"\$[a-z_]+|%DOWNSTREAM_[A-Z_]+%|%REQ\([^)]*\)%"
    r"|%\[(?:(?:src|dst|unique-id|method|path|url|ssl_fc|hostname|date)\b|[a-z_]+[.(])[^\]]*\]",
)
"""Variables of nginx, Envoy and HAProxy in the value of a field."""
_VARIABLES: Final = {
    "client_addr": "$remote_addr $binary_remote_addr $realip_remote_addr %[src] {client_ip}"
    " {remote} $proxy_add_x_forwarded_for {remote_host} {http.request.remote}"
    " {http.request.remote.host} {http.vars.client_ip} %DOWNSTREAM_REMOTE_ADDRESS%"
    " %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
    "host": "$host $http_host {hostport} {http.request.host} {http.request.hostport}"
    " %REQ(:AUTHORITY)%",
    "request_id": "$request_id {uuid} {http.request.uuid} %[unique-id] %REQ(X-REQUEST-ID)%",
}
_OURS: Final = {
    plain(theirs): ours for ours, written in _VARIABLES.items() for theirs in written.split()
}
"""Variables of other proxies in values of fields, without signs, and ours."""
_FIELD_RULES: Final = frozenset({"request_headers", "response_headers"})
_PATTERNS: Final = ("path_regex", "pattern")
"""Options in which a $ has a meaning of its own."""


def as_reference(text: str) -> str:
    """A text with all its references to the environment as ``${NAME}``; empty if it has none."""
    found = _OTHER.sub(_spelled, text.strip())
    return found if found != text.strip() else ""


def _spelled(found: re.Match[str]) -> str:
    name = _name(found)
    return f"${{{name}}}" if _VARIABLE.fullmatch(name) else found[0]


def _name(found: re.Match[str]) -> str:
    return next(group for group in found.groups() if group)


def variable_meant(text: str) -> str:
    """What is meant by ``{NAME}`` of other proxies in the value of a field, in our spelling."""
    if known := _OURS.get(plain(text)):
        return f"{{{known}}}"
    return as_reference(text)


def unexpanded(raw: Any, place: Place = ()) -> Iterator[Finding]:
    """Warn of strings with ``$NAME``, ``%NAME%``, ``{{ NAME }}``, ``env:NAME`` and the like."""
    if isinstance(raw, dict):
        for key, value in raw.items():
            if key not in _PATTERNS:
                yield from unexpanded(value, (*place, key))
    elif isinstance(raw, list):
        for index, value in enumerate(raw):
            yield from unexpanded(value, (*place, index))
    elif isinstance(raw, str) and (meant := _meant(raw, place)):
        yield from warn(place, f"this is sent as it stands, {meant}")


def _meant(text: str, place: Place) -> str:
    """What was meant by a text that is one of another program; empty where it is none."""
    if place[-1] == "replacement":
        return ""  # its $1 has a warning of its own
    if not _FIELD_RULES.isdisjoint(place) and (found := _IN_FIELDS.search(text)):
        if known := _OURS.get(plain(found[0])):
            return f'did you mean a variable as in "{{{known}}}"?'
        if found[0].startswith(("%[", "%REQ")):
            return "the variables are {client_addr}, {host} and {request_id}"
    if not (found := _OTHER.search(text)):
        return ""
    name = _name(found)
    whole = found.end() == len(text) and not _SCHEME.sub("", text[: found.start()])
    if _VARIABLE.fullmatch(name) and (whole or not secret(place)):
        return f'did you mean "${{{name}}}"?'
    if found[0].startswith("$") and whole and secret(place):
        return 'did you mean "${NAME}"?'  # the name is not repeated: it may be the secret
    return ""
