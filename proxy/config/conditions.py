"""Conditions that are hardly meant: ``headers`` as rules for fields, a host as a sign."""

import re
from collections.abc import Iterator
from typing import Final

from proxy.config.model import Route
from proxy.core.findings import Finding, Place, one

_OF_REPLIES: Final = re.compile(
    r"access-control-(allow|expose|max)-.*|set-cookie2?|strict-transport-security|x-frame-options"
    r"|content-security-policy(-report-only)?|x-content-type-options|x-xss-protection"
    r"|referrer-policy|permissions-policy|cross-origin-.*-policy|clear-site-data|server"
    r"|location|www-authenticate|retry-after|alt-svc"
)
"""Fields that requests do not carry."""
_OTHER: Final = re.compile(
    r"!?~(?:\*|\s|\^|\S*(?:\.[*+]|\\|\|)).*"
    r"|\^(?!v?[0-9][\w.+-]*$).*|\$[A-Za-z_]\w*|\{(?:client_addr|host|request_id|\w+(?:\.\w+)+)\}"
    r"|%[\[({A-Z].*[\])}%]"
)
"""Values that are patterns, or variables, in nginx, HAProxy, Caddy or Envoy."""


def condition_doubts(route: Route, place: Place) -> Iterator[Finding]:
    """Conditions that are hardly meant as what they are."""
    if route.host == "_":
        message = '"_" is the name of a host here: leave host out to match every host'
        yield Finding((*place, "host"), message)
    for name, value in route.headers.items():
        yield from one((*place, "headers", name), _doubt(name, value.strip()))


def _doubt(name: str, value: str) -> str:
    if _OF_REPLIES.fullmatch(name.lower()):
        return (
            "only replies have this field, and these are conditions on requests: "
            f'expected response_headers = {{ set = {{ {name} = "..." }} }}'
        )
    if _OTHER.fullmatch(value):
        return 'a value is compared as it stands, without patterns and variables; "*" alone is any'
    if "*" in value and value != "*":
        return 'a * within a value stands for itself; "*" alone is any value'
    if name.lower() == "cookie" and "=" in value and ";" not in value:
        return (
            "the whole field is compared: a client with another cookie beside this does not match"
        )
    return ""
