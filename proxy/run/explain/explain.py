"""``sidecar-proxy explain``: what becomes of a request, without sending it.

The answer is made from what serves requests: the router chooses the route, and the chains are
built as for a start, so the explanation cannot say anything else than the proxy does.
"""

import asyncio
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from proxy.config.load import load
from proxy.config.model import Config, Route
from proxy.config.origins import Origins, Told
from proxy.core.errors import BadRequest, MethodNotAllowed, NoRoute, ProxyError
from proxy.core.exchange import Exchange
from proxy.core.findings import is_token, method_fault
from proxy.core.reply import Reply
from proxy.core.scope import Scope
from proxy.core.targets_shown import Targets
from proxy.core.timeouts import TimeoutsOptions
from proxy.edge.intake import read_target
from proxy.edge.preflights import PageRouter
from proxy.edge.router import RANKED_BY, RouteOptions, Router, rank
from proxy.edge.statuses import failure
from proxy.http.authority import valid_host
from proxy.http.fields import values, without
from proxy.http.grammar import CONTROL, Malformed
from proxy.http.hop_by_hop import end_to_end_response
from proxy.http.preflight import preflight
from proxy.http.target import split_target
from proxy.middleware import cors
from proxy.middleware.rewrite import rewrite
from proxy.run.chains import Link
from proxy.run.explain.chain import told_chain
from proxy.run.explain.failures import failures
from proxy.run.explain.options import told_options
from proxy.run.scopes import upstreams_of
from proxy.run.tree import Tree
from proxy.upstream.endpoint import Endpoint
from proxy.upstream.forward import Forward
from proxy.upstream.session import Session

_LONGEST: Final = 200
"""Signs of a URL that are repeated."""
_NO_TARGET: Final = re.compile(r"[\x00-\x20\x7f]")
_SHOWN: Final = 10
"""Routes that did not match, of those with another path."""


class Server(NamedTuple):
    """An endpoint, and the request as it is sent to it."""

    name: str
    weight: float
    backup: bool
    sent: str
    """Method, target and the Host field."""


class Built(NamedTuple):
    """What was built for one route, as at a start."""

    links: list[tuple[Scope, Link]]
    servers: dict[str, list[Server]]
    """By upstream."""
    refused: BadRequest | None
    """Where the request cannot be rewritten."""


class _Arrived(Exception):
    """The request is as it goes to an upstream."""


def asked_for(method: str, url: str, fields: Iterable[tuple[str, str]] = ()) -> Exchange:
    """The request for a URL, or for a path alone, with these fields.

    As with curl, a Host field counts, not the host of the URL. Raises ValueError with a sentence
    that repeats no field, which may be a secret.
    """
    raw = url.partition("#")[0]
    if not raw.startswith("/") and "://" not in raw and raw != "*":
        raise ValueError(f"expected http://HOST/PATH or /PATH, got {url.partition('?')[0]!r}")
    if not is_token(method):
        raise ValueError(f"{method!r} is not the name of a method")
    try:
        target, authority = split_target(method, raw.encode())
    except Malformed:
        raise ValueError(_against_target(raw)) from None
    host = "localhost" if authority is None else authority.decode()
    raw_fields: list[tuple[bytes, bytes]] = []
    for name, value in fields:
        if not is_token(name) or CONTROL.search(value.encode("utf-8", "surrogateescape")):
            raise ValueError("expected a field as 'Name: value', as in 'X-Tenant: acme'")
        raw_fields.append((name.encode(), value.encode("utf-8", "surrogateescape")))
    if hosts := values(raw_fields, b"host"):
        if len(hosts) > 1 or not valid_host(hosts[0]):
            raise ValueError("expected one Host, a name or an address, with or without a port")
        host = hosts[0].decode()
    return Exchange(method, target, without(raw_fields, b"host"), target, host=host)


def _against_target(url: str) -> str:
    """Why a URL is none, without its user and its query, which may be secrets."""
    scheme, mark, rest = url.partition("?")[0].rpartition("://")
    authority, slash, path = rest.partition("/")
    shown = f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}"[:_LONGEST]
    if found := _NO_TARGET.search(url):
        what = "a blank" if found[0] == " " else "a control character"
        return f"{what} cannot stand in a URL, expected %{ord(found[0]):02X} for it, got {shown!r}"
    if "@" in authority:
        return f"a user and a password do not belong in the URL, got {shown!r}"
    if mark and scheme.lower() in ("http", "https"):
        return f"not a host: {authority!r}" if authority else f"the host is missing in {shown!r}"
    return f"expected http://HOST/PATH or /PATH, got {shown!r}"


def explain(path: str, asked: Exchange, sets: Sequence[str] = ()) -> Iterator[str]:
    """Lines for a reader. Raises ConfigError, or OSError where a file cannot be used."""
    yield from explained(load(path, sets=sets), asked, Origins(path, sets))


def explained(config: Config, asked: Exchange, origins: Told) -> Iterator[str]:
    """The same of a configuration that is known already. No loop may run in this thread."""
    shown = Targets(config.log.redact).show(asked.target).decode()
    yield f"{asked.method} http://{asked.host}{shown}"
    if asked.method != asked.method.upper() and (fault := method_fault(asked.method)):
        yield fault
    yield ""
    try:
        read_target(asked, {b"host": asked.host.encode()}, strict=config.server.strict)
    except ProxyError as error:
        yield from _title("Route", f"none is looked for: {_answer(error)}")
        return
    chosen, routes = None, [(route, number) for number, route in enumerate(config.routes)]
    try:
        router = PageRouter(routes, lambda number: config.routes[number].cors is not None)
        chosen = router.route(asked, asked.headers)
        yield from _title("Route", f"{_named(config, chosen, origins)} takes it")
    except ProxyError as error:
        yield from _title("Route", f"none takes it: {_answer(error)}")
    yield from _others(config, asked, chosen, origins)
    if chosen is None:
        return
    route = config.routes[chosen]
    built = asyncio.run(_built(msgspec.structs.replace(config, routes=(route,)), asked))
    upstreams = [each.name for each in upstreams_of(route, config.upstreams)]
    if route.cors is not None and preflight(asked.method, asked.headers) is not None:
        yield from told_chain([], built.links, end=cors)
        yield from ("", *_title("Upstreams", "none is asked: [cors] answers the preflight"))
        yield from told_options(config, chosen, origins)
        return
    yield from told_chain(upstreams, built.links)
    yield from _sent(upstreams, built)
    yield from ("", *_title("Failures", f"what becomes of this {asked.method} if its server fails"))
    yield from failures(route, asked)
    yield from told_options(config, chosen, origins)


def _answer(error: ProxyError) -> str:
    status = f"{failure(error)[0].value}"
    if isinstance(error, MethodNotAllowed):
        return f"{status}, with Allow: {', '.join(error.allow)}"
    return f"{status}, {error}" if isinstance(error, BadRequest) else status


def _title(title: str, said: str = "") -> Iterator[str]:
    yield f"{title}: {said}" if said else title


def _named(config: Config, number: int, origins: Told) -> str:
    route = config.routes[number]
    parts = [f"host {route.host}"] if route.host else []
    parts.append(f"path_regex {route.path_regex}" if route.path_regex else f"path {route.path}")
    parts += [f"methods {', '.join(route.methods)}"] if route.methods else []
    parts += [f"headers {', '.join(route.headers)}"] if route.headers else []
    where = origins.line(("routes", number))
    written = where or origins.unwritten
    return f"routes[{number}] ({'; '.join(parts)}; {written})"


def _others(config: Config, asked: Exchange, chosen: int | None, origins: Told) -> Iterator[str]:
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


def _against(route: Route, asked: Exchange) -> list[str]:
    """What keeps a route from taking a request."""

    def takes(**kept: Any) -> bool:
        """Whether a route would that asks for nothing else."""
        alone = RouteOptions(upstream="", **{"methods": (asked.method,), **kept})
        try:
            only = Router([(alone, True)])
            return only.find(asked.method, asked.host, asked.path, asked.headers)
        except (NoRoute, MethodNotAllowed):
            return False

    reasons = []
    if not takes(host=route.host):
        reasons.append(f"the request is for {asked.host}")
    if not takes(path=route.path, path_regex=route.path_regex):
        reasons.append("the path is another")
    if not takes(methods=route.methods):
        reasons.append(f"it does not take {asked.method}")
    unfit = [name for name, value in route.headers.items() if not takes(headers={name: value})]
    other = [name for name in unfit if takes(headers={name: "*"})]
    if missing := [name for name in unfit if name not in other]:
        reasons.append(f"the request has to carry {', '.join(missing)}")
    reasons += [f"the value of {name} is another" for name in other]
    return reasons


def _less(config: Config, number: int, chosen: int | None) -> str:
    """Why another one that matches too comes first."""
    mine, other = rank(config.routes[number]), rank(config.routes[chosen or 0])
    if mine == other:
        return "it matches as well, and stands later in the file"
    what = next(name for name, a, b in zip(RANKED_BY, mine, other, strict=True) if a != b)
    return f"it matches too, but its {what} is less specific"


async def _built(config: Config, asked: Exchange) -> Built:
    """Build the only route of a configuration, and do to the request what the route does."""
    links: list[tuple[Scope, Link]] = []
    async with Session() as session:
        rng = random.Random()
        tree = Tree(config, session, rng, on_link=lambda scope, link: links.append((scope, link)))
        tree.build()
        refused = await _rewritten(links, asked)
        servers = {
            name: [_server(each, asked, config.log.redact) for each in endpoints.members]
            for name, endpoints in tree.endpoints.items()
        }
        await tree.close()
    return Built(links, servers, refused)


async def _rewritten(links: list[tuple[Scope, Link]], asked: Exchange) -> BadRequest | None:
    """Change the request as the link does that changes requests."""

    async def arrive(_: Exchange) -> Reply:
        raise _Arrived

    for scope, link in links:
        if link.concern is rewrite and (handle := rewrite.link(scope, arrive)):
            try:
                await handle(asked)
            except BadRequest as error:
                return error
            except _Arrived:
                pass
    return None


def _server(endpoint: Endpoint, asked: Exchange, redact: Sequence[str]) -> Server:
    forward = Forward(endpoint.address, endpoint.pool, TimeoutsOptions(), end_to_end_response)
    first, host, *_ = forward.request_head(asked).split(b"\r\n")
    method, target, _ = first.split(b" ")
    sent = b"%b %b  %b" % (method, Targets(redact).show(target), host)
    about = endpoint.address.name, endpoint.full_weight, endpoint.backup
    return Server(*about, sent.decode("utf-8", "backslashreplace"))


def _sent(upstreams: list[str], built: Built) -> Iterator[str]:
    if built.refused is not None:
        yield ""
        yield from _title("Upstreams", f"none is asked: {_answer(built.refused)}")
        return
    for name in upstreams:
        yield ""
        yield from _title(f"Upstream {name}")
        for server in built.servers[name]:
            about = f"weight {server.weight:g}{', backup' if server.backup else ''}"
            yield f"  {server.name} ({about}) is sent: {server.sent}"
