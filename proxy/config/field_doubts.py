"""Rules for fields that do what is hardly meant."""

from collections.abc import Collection, Iterator
from typing import Final

from proxy.config.credentials import secret_fault
from proxy.config.effects import takes
from proxy.config.model import Config, Route
from proxy.config.without_effect import is_unsettled
from proxy.core.findings import Finding, Place
from proxy.http.equivalence import TRACING_FIELDS

_MAY_BE_EMPTY: Final = ("accept-encoding", "te")
"""Fields that say something with nothing in them (RFC 9110 12.5.3, 10.1.4)."""
_PROTOCOL: Final = "x-forwarded-proto"


def field_doubts(
    config: Config, route: Route, place: Place, unsettled: Collection[Place]
) -> Iterator[Finding]:
    """Of the rules of a route for requests and for replies."""
    yield from _empty(route, place, unsettled)
    rules = route.request_headers
    for act in ("set", "add") if rules is not None else ():
        for name, value in getattr(rules, act).items():
            if fault := secret_fault(name, value):
                yield Finding((*place, "request_headers", act, name), fault)
            elif _unique(name, value) and (compared := _compared(route)):
                message = f"no two requests are equal with {{request_id}}, and {compared}"
                yield Finding((*place, "request_headers", act, name), message)
    if rules is not None and config.server.forwarded in ("both", "forwarded"):
        ruled = {_dashed(name) for name in (*rules.set, *rules.add, *rules.remove)}
        for name in rules.set:
            if _dashed(name) == _PROTOCOL and "forwarded" not in ruled:
                message = (
                    "Forwarded still has the scheme of the connection, and some servers ask that: "
                    'expected [server] forwarded = "x", or remove = ["Forwarded"]'
                )
                yield Finding((*place, "request_headers", "set", name), message)
    if route.cors is not None and route.response_headers is not None:
        for act in ("set", "add"):
            for name in getattr(route.response_headers, act):
                if name.lower().startswith("access-control-"):
                    message = f"[cors] says itself what browsers may do: {name} is left out"
                    yield Finding((*place, "response_headers", act, name), message)
    limit = route.rate_limit
    name = "" if limit is None or not limit.average else field_of(limit.key)
    if name and _is_same(route, name):
        message = f"it changes {name} before [rate_limit] counts by it, so all are one client"
        yield Finding(
            (*place, "request_headers"),
            f"{message}; [upstreams.credentials] replaces a field after that",
        )


def field_of(key: str) -> str:
    """The name of the field that a key is taken from; empty where that is none."""
    kind, _, name = key.partition(":")
    return {"header": name, "cookie": "Cookie"}.get(kind, "")


def removes(route: Route, name: str) -> bool:
    """Whether no request of the route has this field any more, however it is written."""
    rules, name = route.request_headers, _dashed(name)
    if rules is None or name in map(_dashed, (*rules.set, *rules.add)):
        return False
    return name in map(_dashed, rules.remove)


def _is_same(route: Route, name: str) -> bool:
    """Whether all requests of the route have the same in this field, or have it no more."""
    rules = route.request_headers
    said = {} if rules is None else {_dashed(each): value for each, value in rules.set.items()}
    return removes(route, name) or "{" not in said.get(_dashed(name), "{")


def _dashed(name: str) -> str:
    return name.lower().replace("_", "-")


def _empty(route: Route, place: Place, unsettled: Collection[Place]) -> Iterator[Finding]:
    """Fields that are sent with nothing in them, where other proxies send none."""
    for table in ("request_headers", "response_headers"):
        rules = getattr(route, table)
        for act in ("set", "add") if rules is not None else ():
            for name, value in getattr(rules, act).items():
                at = (*place, table, act, name)
                if value.strip() or name.lower() in _MAY_BE_EMPTY or is_unsettled(at, unsettled):
                    continue
                message = "the field is sent with nothing in it: remove takes a field away"
                yield Finding(at, message)


def _unique(name: str, value: str) -> bool:
    """Whether a field is another one in each request, and is compared."""
    said = "{request_id}" in value.replace("{{", "")
    return said and name.lower().encode("utf-8", "surrogateescape") not in TRACING_FIELDS


def _compared(route: Route) -> str:
    """What is for requests that are equal to others, of those that come to this route."""
    if route.coalesce is not None and takes(route, "GET", "QUERY"):
        return "[coalesce] shares the answer of equal ones"
    if route.stream is not None and route.stream.resume and takes(route, "GET"):
        return "[stream] resume finds a lost stream by an equal one"
    return ""
