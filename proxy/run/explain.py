"""``sidecar-proxy explain``: what becomes of a request, without sending it.

The answer is made from what serves requests: the router chooses the route, and the chains are
built as for a start, so the explanation cannot say anything else than the proxy does.
"""

import asyncio
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from proxy.config.describe import literal
from proxy.config.lines import Lines
from proxy.config.load import load
from proxy.config.model import Config, Route
from proxy.config.overrides import Overrides
from proxy.config.problems import spell
from proxy.core.errors import MethodNotAllowed, NoRoute
from proxy.core.findings import Place
from proxy.core.scope import EndpointScope, Scope, UpstreamScope
from proxy.core.secrets import conceal
from proxy.edge.router import Router, rank
from proxy.http.target import normal_path, split_target
from proxy.middleware.rewrite.paths import PathRewriter
from proxy.run.chains import ENDPOINT, ROUTE, UPSTREAM, Link
from proxy.run.tree import Tree, upstreams_of
from proxy.upstream.address import Address
from proxy.upstream.credentials import CredentialsOptions
from proxy.upstream.session import Session

_SHOWN: Final = 10
"""Routes that did not match, of those with another path."""


class Asked(NamedTuple):
    """A request."""

    method: str
    target: bytes
    host: str
    path: str
    """Normal form of the path."""


def asked_for(method: str, url: str) -> Asked:
    """The request for a URL, or for a path alone. Raises ValueError with a sentence."""
    raw = url.partition("#")[0]
    if not raw.startswith("/") and "://" not in raw and raw != "*":
        raise ValueError(f"expected http://HOST/PATH or /PATH, got {url!r}")
    target, authority = split_target(method, raw.encode())
    host = "localhost" if authority is None else authority.decode("latin-1")
    return Asked(method, target, host, normal_path(target))


def explain(path: str, asked: Asked, sets: Sequence[str] = ()) -> Iterator[str]:
    """Lines for a reader. Raises ConfigError, or OSError where a file cannot be used."""
    config = load(path, sets=sets)
    origins = _Origins(path, sets)
    yield f"{asked.method} http://{asked.host}{asked.target.decode('latin-1')}"
    yield ""
    router = Router([(route, number) for number, route in enumerate(config.routes)])
    chosen = None
    try:
        chosen = router.find(asked.method, asked.host, asked.path, ())
        yield from _title("Route", f"{_named(config, chosen, origins)} takes it")
    except MethodNotAllowed as error:
        allow = ", ".join(error.allow)
        yield from _title("Route", f"none takes it: 405, with Allow: {allow}")
    except NoRoute:
        yield from _title("Route", "none takes it: 404")
    yield from _others(config, asked, chosen, origins)
    if chosen is None:
        return
    route = config.routes[chosen]
    alone = msgspec.structs.replace(config, routes=(route,))
    links, addresses = asyncio.run(_built(alone))
    yield from _chain(route, links)
    yield from _sent(alone, asked, addresses)
    yield from _options(config, chosen, origins)


def _title(title: str, said: str = "") -> Iterator[str]:
    yield f"{title}: {said}" if said else title


def _named(config: Config, number: int, origins: "_Origins") -> str:
    route = config.routes[number]
    parts = [f"host {route.host}"] if route.host else []
    parts.append(f"path_regex {route.path_regex}" if route.path_regex else f"path {route.path}")
    parts += [f"methods {', '.join(route.methods)}"] if route.methods else []
    parts += [f"headers {', '.join(route.headers)}"] if route.headers else []
    where = origins.line(("routes", number))
    written = where or "not written: the only upstream takes everything"
    return f"routes[{number}] ({'; '.join(parts)}; {written})"


def _others(config: Config, asked: Asked, chosen: int | None, origins: "_Origins") -> Iterator[str]:
    """Why it is none of the others: those whose path it is, and a few more."""
    far = 0
    for number in sorted(range(len(config.routes)), key=lambda each: rank(config.routes[each])):
        if number == chosen:
            continue
        reasons = _against(config.routes[number], asked)
        if any(reason.startswith("the path") for reason in reasons):
            far += 1
            if far > _SHOWN:
                continue
        why = " and ".join(reasons) or _less(config, number, chosen)
        yield f"  not {_named(config, number, origins)}: {why}"
    if far > _SHOWN:
        yield f"  nor {far - _SHOWN} more with other paths"


def _against(route: Route, asked: Asked) -> list[str]:
    """What keeps a route from taking a request."""
    anything: dict[str, Any] = {"path": "/", "path_regex": "", "methods": (), "headers": {}}

    def takes(**kept: Any) -> bool:
        alone = msgspec.structs.replace(route, **{"host": "", **anything, **kept})
        try:
            return Router([(alone, True)]).find(asked.method, asked.host, asked.path, ())
        except (NoRoute, MethodNotAllowed):
            return False

    reasons = []
    if not takes(host=route.host):
        reasons.append(f"the request is for {asked.host}")
    if not takes(path=route.path, path_regex=route.path_regex):
        reasons.append("the path is another")
    if not takes(methods=route.methods):
        reasons.append(f"it does not take {asked.method}")
    if route.headers:
        reasons.append(f"the request has to carry {', '.join(route.headers)}")
    return reasons


def _less(config: Config, number: int, chosen: int | None) -> str:
    """Why another one that matches too comes first."""
    mine, other = rank(config.routes[number]), rank(config.routes[chosen or 0])
    if mine == other:
        return "it matches as well, and stands later in the file"
    names = ("host", "host", "path", "path", "choice of methods and headers")
    what = next(name for name, a, b in zip(names, mine, other, strict=True) if a != b)
    return f"it matches too, but its {what} is less specific"


async def _built(
    config: Config,
) -> tuple[list[tuple[Scope, Link]], dict[str, list[tuple[Address, float, bool]]]]:
    """The links that were made, and the addresses of each upstream."""
    links: list[tuple[Scope, Link]] = []
    async with Session() as session:
        rng = random.Random()
        tree = Tree(config, session, rng, on_link=lambda scope, link: links.append((scope, link)))
        addresses = {
            name: [(each.address, each.full_weight, each.backup) for each in endpoints.members]
            for name, endpoints in tree.endpoints.items()
        }
        await tree.close()
    return links, addresses


def _chain(route: Route, links: list[tuple[Scope, Link]]) -> Iterator[str]:
    """The links in the order in which a request meets them."""
    yield ""
    yield from _title("Chain", "what the request meets, from the top")
    names = (route.upstream, *(route.fallback if isinstance(route.fallback, tuple) else ()))
    made = [link for scope, link in links if not isinstance(scope, UpstreamScope)]
    yield from _links(ROUTE, made)
    for name in names:
        at = [(s, link) for s, link in links if isinstance(s, UpstreamScope) and s.upstream == name]
        yield f"  at upstream {name}"
        yield from _links(UPSTREAM, [link for s, link in at if not isinstance(s, EndpointScope)])
        yield from _links(ENDPOINT, [link for s, link in at if isinstance(s, EndpointScope)])
        yield f"    {'forward':22} sends it, and returns the reply with its body unread"


def _links(chain: Sequence[Link], made: Sequence[Link]) -> Iterator[str]:
    for link in chain:
        if link in made:
            yield f"    {link.name:22} {link.reason}"


def _sent(
    config: Config, asked: Asked, addresses: dict[str, list[tuple[Address, float, bool]]]
) -> Iterator[str]:
    [route] = config.routes
    paths = PathRewriter(route.strip_prefix, route.add_prefix, route.rewrite)
    target = paths.apply(asked.target, asked.path).decode("latin-1")
    for name in (each.name for each in upstreams_of(route, config.upstreams)):
        yield ""
        yield from _title(f"Upstream {name}")
        for address, weight, backup in addresses[name]:
            host = address.host.decode("latin-1") if address.host else asked.host
            about = f"weight {weight:g}{', backup' if backup else ''}"
            yield f"  {address.name} ({about}) is sent: {asked.method} {target}  Host: {host}"


class _Origins:
    """Where values were written."""

    def __init__(self, path: str, sets: Sequence[str]) -> None:
        self._path = path
        self._lines = Lines(Path(path).read_text(encoding="utf-8-sig"))
        self._sets = Overrides(sets, {})

    def line(self, place: Place) -> str:
        """``FILE:LINE``, or the command line; empty where nobody wrote it."""
        if self._sets.holds(place):
            return "--set"
        return (
            f"{os.path.basename(self._path)}:{self._lines.of(place)}"
            if (place in self._lines)
            else ""
        )

    def of(self, own: Place, top: Place) -> str:
        """Where a value of a route or an upstream comes from."""
        if where := self.line(own):
            return f"{where} {_table(own)}"
        if where := self.line(top):
            return f"{where} {_table(top)}"
        return "default"


def _table(place: Place) -> str:
    """The table that holds a place: ``[routes.retry]`` of a list is spelled with its number."""
    return f"[{spell(place[:-1])}]" if place[:-1] else ""


def _options(config: Config, chosen: int, origins: _Origins) -> Iterator[str]:
    """Every option that applies, with where it comes from."""
    route = config.routes[chosen]
    yield ""
    yield from _title("Options", "what applies to this request, and where it was written")
    yield from _values(route, ("routes", chosen), (), origins)
    used = {upstream.name for upstream in upstreams_of(route, config.upstreams)}
    for number, upstream in enumerate(config.upstreams):
        if upstream.name in used:
            yield f"  upstream {upstream.name}"
            yield from _values(upstream, ("upstreams", number), (), origins)


def _values(options: msgspec.Struct, own: Place, top: Place, origins: _Origins) -> Iterator[str]:
    for name in options.__struct_fields__:
        value = getattr(options, name)
        place, above = (*own, name), (*top, name)
        if isinstance(value, msgspec.Struct):
            yield from _values(value, place, above, origins)
            continue
        where = origins.of(place, above)
        if name in ("name", "servers") or (
            where == "default" and (value is None or (len(own) == 2 and own[0] == "routes"))
        ):
            continue  # shown above, or not asked for
        hidden = isinstance(options, CredentialsOptions) and name == "value" and value
        shown = '"***"' if hidden else conceal(literal(value)) or "off"
        label = ".".join(map(str, (*own[2:], name)))
        yield f"    {f'{label} = {shown}':44} {where}"
