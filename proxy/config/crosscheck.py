"""What no single declaration can say: references, and rules between options."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any, Final

from proxy.admin.options import AdminOptions
from proxy.config import addresses
from proxy.config import values as fields
from proxy.config.authorities import authorities_doubts
from proxy.config.credentials import credentials_problems
from proxy.config.doubts import doubts
from proxy.config.listener import listener_problems
from proxy.config.merge import written_at
from proxy.config.model import Config, Route, Upstream
from proxy.config.paths import path_meant
from proxy.config.piped import piped
from proxy.config.problems import fault_of, of_file
from proxy.config.similar import suggestion
from proxy.config.tables import table_problems
from proxy.config.unexpanded import variable_meant
from proxy.config.unreachable import shadowed
from proxy.config.urls import collector_fault, server_fault
from proxy.core import findings, patterns
from proxy.core.findings import Finding, Place, each, one
from proxy.core.secret_file import SecretFile, filled
from proxy.core.timeouts import TimeoutsOptions
from proxy.http.target import literal_path
from proxy.middleware.fallback import FixedReply
from proxy.middleware.rewrite.field_rules import Template
from proxy.middleware.rewrite.options import HeaderRules
from proxy.middleware.rewrite.paths import PathRewriter
from proxy.telemetry.missing_packages import lacking
from proxy.upstream.address import tls_context
from proxy.upstream.options import UpstreamTlsOptions

_BOUNDED: Final = ("connect", "first_byte", "per_try")
"""Clocks that ``total`` ends before they can; of others there is a warning at the most."""
_TLS_FILES: Final = ("ca_file", "cert_file", "key_file", "password_file")


def crosscheck(
    config: Config, raw: Mapping[str, Any], unsettled: Collection[Place]
) -> Iterator[Finding]:
    """Everything that is wrong across options; ``raw`` tells what the file itself says.

    ``unsettled``: places whose value may be another one, from the environment or once it is right:
    nobody is warned because of it. Nor is anybody of what is a problem anyway.
    """
    found = [
        Finding(written_at(place, raw), message) for place, message in _all(config, raw, unsettled)
    ]
    wrong = {each.place for each in found if not each.warning}
    for finding in dict.fromkeys(found):
        if not (finding.warning and finding.place in wrong):
            yield finding


def _all(config: Config, raw: Mapping[str, Any], unsettled: Collection[Place]) -> Iterator[Finding]:
    yield from _server(config)
    yield from _clocks(config, raw)
    for index, upstream in enumerate(config.upstreams):
        yield from _upstream(upstream, ("upstreams", index))
    yield from _names(config)
    written = raw.get("routes") or ()
    for index, table in enumerate(written):
        yield from _route(config.routes[index], table, ("routes", index))
    yield from piped(config)
    yield from table_problems(config, raw)
    yield from shadowed(config.routes)
    yield from doubts(config, raw, unsettled)


def _server(config: Config) -> Iterator[Finding]:
    server, place = config.server, ("server", "listen")
    if isinstance(server.listen, str):
        yield from one(place, addresses.listen_fault(server.listen))
    else:
        yield from each(place, server.listen, addresses.listen_fault)
        if not server.listen:
            yield Finding(place, "expected at least one address")
    for index, address in enumerate(server.addresses):
        if any(addresses.clash(address, other) for other in server.addresses[:index]):
            yield Finding((*place, index), f"{address!r} is in the list already")
    if server.unix_owner:
        yield from one(("server", "unix_owner"), fields.owner_fault(server.unix_owner))
    networks = server.trusted_proxies
    yield from each(("server", "trusted_proxies"), networks, addresses.network_fault)
    yield from listener_problems(server)
    if config.admin is not None:
        yield from _admin(config.admin, server.addresses)
    if config.tracing is not None:
        yield from one(("tracing", "endpoint"), collector_fault(config.tracing.endpoint))
        yield from one(("tracing",), lacking(config.tracing))


def _admin(options: AdminOptions, listens: tuple[str, ...]) -> Iterator[Finding]:
    taken = [("[server] listen", listen) for listen in listens]
    for name in ("listen", "probes"):
        address = getattr(options, name)
        if name == "probes" and not address:
            continue
        fault = addresses.listen_fault(address)
        for owner, other in taken if not fault else ():
            if addresses.clash(address, other):
                fault = f"{address!r} is taken by {owner}"
        yield from one(("admin", name), fault)
        taken.append(("[admin] listen", address))
    if file := options.token_file:
        fault = fields.file_fault(file, secret=True)
        if not fault and not fields.is_pipe(file):
            fault = fault_of(partial(SecretFile, file, filled))
        yield from one(("admin", "token_file"), fault)
    yield from each(("admin", "hosts"), options.hosts, addresses.name_fault)


def _clocks(config: Config, raw: Mapping[str, Any]) -> Iterator[Finding]:
    """Clocks longer than ``total``, where the file names both: a default may well be longer.

    A route may have less time in all than the file gives to one clock.
    """
    top = raw.get("timeouts") or {}
    yield from _longer(config.timeouts, top, top, ("timeouts",))
    for index, route in enumerate(raw.get("routes") or ()):
        if own := route.get("timeouts"):
            place = ("routes", index, "timeouts")
            yield from _longer(config.routes[index].timeouts, own, {**top, **own}, place)


def _longer(
    clocks: TimeoutsOptions, own: Mapping[str, Any], written: Mapping[str, Any], place: Place
) -> Iterator[Finding]:
    for name in _BOUNDED:
        limit, total = getattr(clocks, name), clocks.total
        if name in own and "total" in written and limit > total > 0:
            message = f"{name} ({limit}) is longer than total ({total}), so it never runs out"
            yield Finding((*place, name), message)


def _names(config: Config) -> Iterator[Finding]:
    """Upstreams and what refers to them."""
    names = [upstream.name for upstream in config.upstreams]
    first = {name: names.index(name) for name in names}
    for index, name in enumerate(names):
        if first[name] != index:
            message = f"{name!r} is taken by upstreams[{first[name]}]"
            yield Finding(("upstreams", index, "name"), message)
    if not names:
        message = "no upstream to forward to: expected [[upstreams]] with name and servers"
        yield Finding(("upstreams",), message)
    elif not config.routes:
        yield Finding(("routes",), "expected [[routes]], since there is more than one upstream")
    for index, route in enumerate(config.routes):
        places: list[tuple[Place, str]] = [(("upstream",), route.upstream)]
        places += [(("fallback", number), name) for number, name in enumerate(route.others)]
        asked: set[str] = set()
        for place, name in places:
            if names and name not in first and "?" not in first:
                near = suggestion(name, names)
                if "://" in name:
                    near = ", expected the name of one; its servers have the URL"
                message = f"no upstream is named {name!r}{near}"
                yield Finding(("routes", index, *place), message)
            elif name in asked:
                yield Finding(
                    ("routes", index, *place),
                    f"{name!r} is the upstream that has failed: expected another",
                )
            asked.add(name)


def _upstream(options: Upstream, place: Place) -> Iterator[Finding]:
    encrypted = False
    urls: list[str] = []
    for index, server in enumerate(options.servers):
        entry = isinstance(server, str)
        url = server if isinstance(server, str) else server.url
        where = (*place, "servers", index) if entry else (*place, "servers", index, "url")
        fault = server_fault(url)
        yield from one(where, fault)
        encrypted |= bool(fault) or url.startswith("https://")
        if (same := url.rstrip("/")) in urls:
            yield Finding(where, f"{url!r} is in the list already; weight says how much it gets")
        urls.append(same)
    if all(not isinstance(server, str) and server.backup for server in options.servers):
        yield Finding((*place, "servers"), "expected a server that is no backup")
    check = options.health_check
    if check is not None and not check.interval:
        yield Finding((*place, "health_check", "interval"), "expected a time above 0")
    if options.host_header not in ("auto", "preserve", "upstream"):
        fault = addresses.authority_fault(options.host_header)
        hint = 'expected "auto", "preserve", "upstream" or a host'
        name = options.host_header.partition("://")[2].rstrip("/")
        near = "" if not name or addresses.authority_fault(name) else f", did you mean {name!r}?"
        yield from one((*place, "host_header"), fault and f"{hint}: {fault}{near}")
    if options.tls is not None:
        if not encrypted:
            yield Finding((*place, "tls"), "only a server with https:// is spoken to over TLS")
        faults = list(_tls(options.tls, (*place, "tls")))
        files = (getattr(options.tls, name) for name in _TLS_FILES)
        if not faults and not any(map(fields.is_pipe, files)):
            try:
                tls_context(options)
            except (OSError, ValueError) as error:
                faults = [of_file(error, (*place, "tls"))]
            else:
                verified = options.tls.ca_file if options.tls.verify else ""
                faults = [*authorities_doubts(verified, (*place, "tls", "ca_file"))]
        yield from faults
    if options.credentials is not None:
        yield from credentials_problems(options.credentials, (*place, "credentials"))


def _tls(options: UpstreamTlsOptions, place: Place) -> Iterator[Finding]:
    for name in _TLS_FILES:
        if path := getattr(options, name):
            secret = name not in ("ca_file", "cert_file")
            yield from one((*place, name), fields.file_fault(path, secret=secret))
    if options.key_file and not options.cert_file:
        yield Finding((*place, "key_file"), "a key without its certificate: expected cert_file too")
    if options.password_file and not options.cert_file:
        yield Finding((*place, "password_file"), "a password without a key: expected cert_file too")
    if options.server_name:
        yield from one((*place, "server_name"), addresses.host_fault(options.server_name))


def _route(options: Route, raw: Mapping[str, Any], place: Place) -> Iterator[Finding]:
    yield from one((*place, "host"), addresses.pattern_fault(options.host))
    for name in ("path", "strip_prefix", "add_prefix"):
        path = getattr(options, name)
        if path or name == "path":
            fault = fault_of(partial(literal_path, path, what="a path"))
            yield from one((*place, name), fault and f"{fault}{path_meant(path, name)}")
    if options.path_regex:
        yield from one((*place, "path_regex"), patterns.fault_of(options.path_regex))
        if "path" in raw:
            yield Finding((*place, "path_regex"), "expected either path or path_regex, got both")
    yield from each((*place, "methods"), options.methods, findings.method_fault)
    for name, value in options.headers.items():
        fault = findings.token_fault(name) or findings.value_fault(value)
        yield from one((*place, "headers", name), fault)
    if options.rewrite is not None:
        fault = patterns.fault_of(options.rewrite.pattern)
        yield from one((*place, "rewrite", "pattern"), fault)
        if not fault:
            fault = fault_of(partial(PathRewriter, rewrite=options.rewrite))
            yield from one((*place, "rewrite", "replacement"), fault)
    if isinstance(options.fallback, FixedReply):
        fault = fields.file_fault(options.fallback.file)
        yield from one((*place, "fallback", "file"), fault)
    for side in ("request_headers", "response_headers"):
        if rules := getattr(options, side):
            yield from _rules(rules, (*place, side))


def _template_fault(value: str) -> str:
    """The value of a rule for fields, with what was meant by a variable of another proxy."""
    fault = fault_of(partial(Template, value))
    found = re.match(r"'(\{.*?\})' is no variable", fault)
    meant = variable_meant(found[1]) if found else ""
    return f"{fault}, did you mean {meant!r}?" if meant else fault


def _rules(rules: HeaderRules, place: Place) -> Iterator[Finding]:
    for act in ("set", "add"):
        for name, value in getattr(rules, act).items():
            fault = (
                findings.owned_fault(name) or findings.value_fault(value) or _template_fault(value)
            )
            yield from one((*place, act, name), fault)
    yield from each((*place, "remove"), rules.remove, findings.owned_fault)
    if place[-1] == "response_headers" and "date" in map(str.lower, rules.remove):
        yield Finding((*place, "remove"), "a reply without Date is given one (RFC 9110 6.6.1)")
    dash = "-" if place[-1] == "request_headers" else "_"  # X_User is X-User there
    for name, count in Counter(name.lower().replace("_", dash) for name in rules.set).items():
        if count > 1:
            yield Finding((*place, "set"), f"{name} is set {count} times, in different writings")
