"""What can be read and never does what it says: warnings, each with what was probably meant.

A warning is for what is certain. What is unusual and works is nobody's mistake.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from proxy.config.addresses import listen_fault
from proxy.config.conditions import condition_doubts
from proxy.config.credentials import credentials_doubts
from proxy.config.field_doubts import field_doubts
from proxy.config.keys import key_doubts
from proxy.config.model import Config, Route, Upstream
from proxy.config.open_doors import open_doors
from proxy.config.paths import path_doubts
from proxy.config.similar import suggestion
from proxy.config.urls import collector_doubt
from proxy.config.without_effect import is_unsettled, without_effect
from proxy.core.findings import ANY, WARNING, Finding, Place, one
from proxy.core.size import Size
from proxy.http.framing import has_no_body
from proxy.middleware.fallback import FixedReply
from proxy.net.addresses import is_everywhere, is_ip, is_local, split_listen
from proxy.upstream.options import ServerEntry, entries

_REDIRECT: Final = 3
_LEAST_HEAD: Final = 256
"""Bytes of the head of a small request."""
_NO_SIGN: Final = '"%s" is no sign for any method here'
_HOST_HEADERS: Final = ("auto", "preserve", "upstream")


def doubts(
    config: Config, raw: Mapping[str, Any], unsettled: Collection[Place] = ()
) -> Iterator[Finding]:
    """All warnings; ``crosscheck`` says each of them once.

    ``unsettled``: places whose value may be another one, see ``crosscheck``.
    """
    for place, message in _all(config, raw, unsettled):
        yield Finding(place, f"{WARNING} {message}")


def _all(config: Config, raw: Mapping[str, Any], unsettled: Collection[Place]) -> Iterator[Finding]:
    yield from _server(config, raw, unsettled)
    if not is_unsettled(("admin", "listen"), unsettled):
        yield from _admin(config, raw.get("admin") or {})
    yield from without_effect(config, raw, unsettled)
    yield from key_doubts(config, raw)
    yield from open_doors(config)
    used = {name for route in config.routes for name in route.upstreams}
    known = {upstream.name for upstream in config.upstreams}
    for index, upstream in enumerate(config.upstreams):
        place: Place = ("upstreams", index)
        # A route with a name that nobody has may mean any.
        if config.routes and upstream.name not in used and used <= known:
            yield Finding(place, f"no route uses {upstream.name!r}: expected [[routes]] with it")
        yield from _upstream(upstream, place)
        written = (raw.get("upstreams") or ())[index : index + 1]
        if not written or is_unsettled((*place, "servers"), unsettled):
            pass
        elif "dns_ttl" in written[0] and not any(map(_is_name, entries(upstream))):
            yield Finding((*place, "dns_ttl"), "no server is given by a name that is looked up")
        yield from _addresses(config, upstream, place)
    for index, route in enumerate(config.routes):
        for number, method in enumerate(route.retry.methods if route.retry is not None else ()):
            if method.upper() in ANY:
                why = f"{_NO_SIGN % method}: name those that may be repeated"
                yield Finding(("routes", index, "retry", "methods", number), why)
        entries_ = raw.get("routes") or ()
        if index < len(entries_) and (entry := entries_[index]):
            yield from path_doubts(route, entry, ("routes", index))
            yield from _route(config, route, ("routes", index), unsettled)


def _server(
    config: Config, raw: Mapping[str, Any], unsettled: Collection[Place]
) -> Iterator[Finding]:
    server = config.server
    listens = [*server.addresses]
    if config.admin is not None:
        listens += [config.admin.listen, config.admin.probes]
    listened = (("server", "listen"), ("admin", "listen"), ("admin", "probes"))
    unix = any(address.startswith("unix:") for address in listens)
    unix = unix or any(is_unsettled(place, unsettled) for place in listened)
    for name in ("unix_mode", "unix_owner"):
        if name in (raw.get("server") or ()) and not unix:
            yield Finding(("server", name), "no listener is a unix socket")
    if 0 < server.max_header_size < _LEAST_HEAD:
        message = f"hardly a request is so small: expected at least {Size(_LEAST_HEAD)}"
        yield Finding(("server", "max_header_size"), message)
    if "unix" in server.trusted_proxies and not unix:
        index = server.trusted_proxies.index("unix")
        place = ("server", "trusted_proxies", index)
        yield Finding(place, "no listener is a unix socket, so no client comes by one")
    if config.tracing is not None:
        yield from one(("tracing", "endpoint"), collector_doubt(config.tracing.endpoint))


def _admin(config: Config, written: Mapping[str, Any] | bool) -> Iterator[Finding]:
    if config.admin is None or not isinstance(written, Mapping):
        return
    listen = config.admin.listen
    if listen_fault(listen):  # which is a problem, and no warning
        return
    if config.admin.token_file and "token_file" in written and is_local(listen):
        yield Finding(("admin", "token_file"), f"no token is asked for at {listen}")
    if config.admin.hosts and "hosts" in written and listen.startswith("unix:"):
        yield Finding(("admin", "hosts"), "all names are taken on a unix socket")
    if not config.admin.token_file and is_everywhere(listen):
        port = split_listen(listen)[1]
        message = (
            "whoever reaches a network of this machine can read the requests, servers, metrics and "
            "configuration here, and nobody can change anything, not even reload or drain: "
            f'expected "127.0.0.1:{port}", or a token_file for changes'
        )
        yield Finding(("admin", "listen"), message)


def _is_name(server: ServerEntry) -> bool:
    """Whether it is looked up."""
    return not (server.url.startswith("unix:") or is_ip(urlsplit(server.url).hostname or ""))


def _upstream(options: Upstream, place: Place) -> Iterator[Finding]:
    if options.tls is not None and options.tls.ca_file and not options.tls.verify:
        yield Finding((*place, "tls", "ca_file"), "nothing is checked with verify = false")
    header = options.host_header
    if header not in _HOST_HEADERS and (near := suggestion(header, _HOST_HEADERS, parts=False)):
        yield Finding((*place, "host_header"), f"{header!r} is sent as the name of a host{near}")
    yield from credentials_doubts(options.credentials, (*place, "credentials"))


def _addresses(config: Config, options: Upstream, place: Place) -> Iterator[Finding]:
    """Servers that cannot be meant."""
    listens = config.server.addresses
    ours = {_normal(address) for address in listens if not address.endswith(":0")}
    for index, entry in enumerate(entries(options)):
        at = (*place, "servers", index)
        scheme, _, authority = entry.url.rstrip("/").partition("://")
        if entry.url.startswith("unix:"):
            if entry.url in listens:
                yield Finding(at, "this is the proxy's own socket: every request ends in 508")
        elif _normal(authority if ":" in authority else f"{authority}:80") in ours:
            yield Finding(at, "this is the proxy's own address: every request ends in 508")
        elif scheme == "http" and authority.endswith(":443"):
            yield Finding(at, f"port 443 is that of https, did you mean 'https://{authority}'?")
        elif scheme == "https" and authority.endswith(":80"):
            yield Finding(at, f"port 80 is that of http, did you mean 'http://{authority}'?")


def _normal(address: str) -> tuple[str, int] | str:
    """An address in the form in which two of the same are equal; all names of loopback are one."""
    if address.startswith("unix:"):
        return address
    try:
        host, port = split_listen(address)
    except ValueError:
        return address
    return ("" if host in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::", "") else host), port


def _route(
    config: Config, route: Route, place: Place, unsettled: Collection[Place]
) -> Iterator[Finding]:
    yield from condition_doubts(route, place)
    if isinstance(route.fallback, FixedReply) and route.fallback.status // 100 == _REDIRECT:
        message = "a file gives no Location, so this redirects nobody: expected 200, or 400 to 599"
        yield Finding((*place, "fallback", "status"), message)
    elif (
        isinstance(route.fallback, FixedReply)
        and has_no_body("GET", route.fallback.status)
        and not is_unsettled((*place, "fallback"), unsettled)
        and _has_bytes(route.fallback.file)
    ):
        message = f"a reply with {route.fallback.status} has no body: the file is never sent"
        yield Finding((*place, "fallback", "status"), message)
    for index, method in enumerate(route.methods):
        if method.upper() in ANY:
            why = f"{_NO_SIGN % method}: leave methods out to take all"
            yield Finding((*place, "methods", index), why)
    yield from field_doubts(config, route, place, unsettled)


def _has_bytes(file: str) -> bool:
    """Whether there is anything in a file, as far as that is known without reading it."""
    try:
        return os.stat(file).st_size > 0
    except (OSError, ValueError):  # which is a problem
        return False
