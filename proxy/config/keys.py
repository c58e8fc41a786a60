"""What clients are told apart by, where that does not tell them apart."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from proxy.config.field_doubts import field_of, removes
from proxy.config.model import Config, Route, Upstream
from proxy.core.findings import Finding, Written
from proxy.edge.forwarded import about_the_client
from proxy.policy.balance import POLICIES

_KEYS: Final = (
    ("routes", "rate_limit", "key"),
    ("upstreams", "queue", "key"),
    ("upstreams", "load_balance", "hash_key"),
)
_FAMILIES: Final = {b"x-forwarded-for": "x", b"forwarded": "forwarded"}
"""What has to be in ``[server] forwarded`` for these fields to go upstream."""
_CHAINS: Final = frozenset(_FAMILIES)
"""Fields in which each proxy writes behind what was said before it came."""


def key_doubts(config: Config, raw: Mapping[str, Any]) -> Iterator[Finding]:
    """Keys from a field that a front sends, which is ``client_addr`` here, or that is gone."""
    for kind, table, option in _KEYS:
        entries = config.routes if kind == "routes" else config.upstreams
        for index, entry in enumerate(entries):
            written = Written(raw, (kind, index), entry)
            options = getattr(entry, table)
            place = None if options is None else written.at(table, option)
            if place is None or (option == "hash_key" and not POLICIES[options.policy].by_key):
                continue
            routes = [entry] if isinstance(entry, Route) else config.routes
            alone = _SPREAD if option == "hash_key" else _SHARED
            key = getattr(options, option)
            if doubt := _doubt(config, routes, key, alone):
                yield Finding(place, doubt)
            elif isinstance(entry, Upstream) and (name := _removed(routes, entry.name, key)):
                message = f"request_headers removes {name} before it is looked for, {alone}"
                yield Finding(place, message)


def _doubt(config: Config, routes: Sequence[Route], key: str, alone: str) -> str:
    """``alone``: what becomes of requests that do not have the field."""
    kind, _, name = key.partition(":")
    about = about_the_client(name.encode()) if kind == "header" else None
    if about is None or any(_sets(route, name) for route in routes):
        return ""
    trusted, forwarded = bool(config.server.trusted_proxies), config.server.forwarded
    if about in _CHAINS and forwarded not in ("both", _FAMILIES[about]):
        believed = "" if trusted else _BELIEVED
        return f'{name} is dropped with forwarded = "{forwarded}", {alone}{_MEANT}{believed}'
    if about in _CHAINS and trusted:
        return f"a client may begin {name} as it likes, and is another one each time{_MEANT}"
    if about in _CHAINS:
        return f"this is the address of the connection{_MEANT}{_BELIEVED}"
    if about == b"x-real-ip" and not trusted:
        return f"{name} of somebody who is not trusted is dropped, {alone}{_MEANT}{_BELIEVED}"
    return ""


def _removed(routes: Sequence[Route], upstream: str, key: str) -> str:
    """The field of a key that no request of this upstream has any more; empty for none."""
    name, used = field_of(key), [route for route in routes if upstream in route.upstreams]
    return name if name and used and all(removes(route, name) for route in used) else ""


_SHARED: Final = "so all are one"
_SPREAD: Final = "so requests are spread as with least_request"
_MEANT: Final = ', did you mean "client_addr"?'
_BELIEVED: Final = "; [server] trusted_proxies says whose X-Forwarded-For is believed"


def _sets(route: Route, name: str) -> bool:
    """Whether a rule of the route gives the field a value of its own."""
    rules = route.request_headers
    if rules is None:
        return False
    return name.lower() in {each.lower() for each in (*rules.set, *rules.add)}
