"""What clients are told apart by, where that does not tell them apart."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from proxy.config.model import Config, Route
from proxy.core.findings import Finding, Written
from proxy.edge.forwarded import about_the_client
from proxy.middleware.retry.options import RetryOptions

_KEYS: Final = (
    ("routes", "rate_limit", "key"),
    ("upstreams", "queue", "key"),
    ("upstreams", "load_balance", "hash_key"),
)
_CHAINS: Final = (b"x-forwarded-for", b"forwarded")
"""Fields in which each proxy writes behind what was said before it came."""


def key_doubts(config: Config, raw: Mapping[str, Any]) -> Iterator[Finding]:
    """Keys that a front sends as a field, which the proxy has as ``client_addr``."""
    for kind, table, option in _KEYS:
        entries = config.routes if kind == "routes" else config.upstreams
        for index, entry in enumerate(entries):
            written = Written(raw, (kind, index), entry, set(), RetryOptions())
            options = getattr(entry, table)
            place = None if options is None else written.at(table, option)
            if place is None or getattr(options, "policy", "hash") != "hash":
                continue
            routes = [entry] if isinstance(entry, Route) else config.routes
            if doubt := _doubt(config, routes, getattr(options, option)):
                yield Finding(place, doubt)


def _doubt(config: Config, routes: Sequence[Route], key: str) -> str:
    kind, _, name = key.partition(":")
    about = about_the_client(name.encode()) if kind == "header" else None
    if about is None or any(_sets(route, name) for route in routes):
        return ""
    trusted = bool(config.server.trusted_proxies)
    if about in _CHAINS and trusted:
        return f"a client may begin {name} as it likes, and is another one each time{_MEANT}"
    if about in _CHAINS:
        return f"this is the address of the connection{_MEANT}{_BELIEVED}"
    if about == b"x-real-ip" and not trusted:
        return (
            f"{name} of somebody who is not trusted is dropped, so all are one{_MEANT}{_BELIEVED}"
        )
    return ""


_MEANT: Final = ', did you mean "client_addr"?'
_BELIEVED: Final = "; [server] trusted_proxies says whose X-Forwarded-For is believed"


def _sets(route: Route, name: str) -> bool:
    """Whether a rule of the route gives the field a value of its own."""
    rules = route.request_headers
    if rules is None:
        return False
    return name.lower() in {each.lower() for each in (*rules.set, *rules.add)}
