"""What the links of a route are made from: its options, and what they mean together."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial

import msgspec

from proxy.config.model import Route, Upstream
from proxy.core.exchange import Exchange
from proxy.core.outcome import repeatable
from proxy.core.scope import Scope, Servers, UpstreamNames, UpstreamScope
from proxy.core.shared import Shared
from proxy.edge.last_event import last_event
from proxy.edge.responses import log_covered
from proxy.middleware.fallback import TakesOver
from proxy.middleware.retry.may_repeat import MayFollow, may_repeat, repeats_broken
from proxy.middleware.retry.options import RetryOptions
from proxy.middleware.rewrite.options import HeaderRules
from proxy.policy.budget import Budget
from proxy.upstream.address import origins, renames, told
from proxy.upstream.options import entries


def scope_of(route: Route, shared: Shared) -> Scope:
    """What the links of a route are made from."""
    retry = route.retry or RetryOptions()
    others = route.retry or RetryOptions(methods=())
    retries = route.retry is not None and route.retry.attempts > 1
    follows = retries and (repeats_broken(retry) or bool(route.fallback))
    return Scope(
        shared=shared,
        options=tables(route),
        route=name_of(route),
        identity=identity(route),
        repeatable=partial(repeatable, rules=retry),
        wait_for_connect=route.retry.wait_for_connect if route.retry is not None else 0.0,
        keep=retry.keep,
        retries=retries,
        has_more_attempts=partial(repeatable, rules=others),
        may_follow_reply=partial(may_repeat, options=retry, nothing_sent=False)
        if follows
        else None,
        has_deadlines=route.deadline is not None or bool(route.timeouts.total),
        field_changes=field_changes(route.request_headers),
        main_upstream=route.upstream,
        error_event=partial(last_event, details=bool(route.errors and route.errors.details)),
        covered=log_covered,
    )


def name_of(route: Route) -> str:
    """What logs and metrics call it; several may have one name."""
    return route.path_regex or route.path


def identity(route: Route) -> Hashable:
    """What a route takes."""
    headers = tuple(sorted(route.headers.items()))
    return (route.host, route.path, route.path_regex, route.methods, headers)


def field_changes(rules: HeaderRules | None) -> bytes:
    """How rules change the fields of requests, see ``Scope``."""
    if rules is None:
        return b""
    found = [
        sorted((name.lower(), value) for name, value in rules.set.items()),
        sorted((name.lower(), value) for name, value in rules.add.items()),
        sorted({name.lower() for name in rules.remove}),
    ]
    return repr(found).encode() if any(found) else b""


def upstream_scope_of(route: Scope, upstream: Upstream, servers: Servers) -> UpstreamScope:
    """What the links of one upstream of a route are made from."""
    retry = route.find(RetryOptions) or RetryOptions()
    limits = retry.budget
    budget = route.shared.share(
        ("retry budget", upstream.name, limits),
        lambda: Budget(limits.percent, limits.min_per_second, limits.window),
    )
    has_server_left: list[Callable[[Exchange], bool]] = []
    index = len(route.servers_left)
    route.servers_left.append(has_server_left)
    may_follow = MayFollow(retry, budget, route.shared.clock, has_server_left)
    scope = UpstreamScope(
        **vars(route),
        upstream=upstream.name,
        servers=servers,
        retry_budget=budget,
        has_server_left=has_server_left,
        may_follow=may_follow,
        may_follow_later=may_follow.with_server,
    )
    options = route.find(Route)
    if options is not None and index < len(options.others):
        scope.takes_over = TakesOver(route.repeatable, route.servers_left, index)
    scope.options += tables(upstream)
    return scope


def upstreams_of(route: Route, upstreams: Iterable[Upstream]) -> list[Upstream]:
    """The upstreams of a route, those that take over included."""
    known = {upstream.name: upstream for upstream in upstreams}
    return [known[name] for name in route.upstreams]


def tables(options: msgspec.Struct) -> tuple[object, ...]:
    """Options, and the tables in them."""
    return (options, *(getattr(options, name) for name in options.__struct_fields__))


def upstream_names(upstreams: Sequence[Upstream], tell_prefix: bool, mount: str) -> UpstreamNames:
    """What the servers of these are called, and whether they are told what was cut off.

    ``mount``: where the proxy is mounted; empty where it stands on its own.
    """
    return UpstreamNames(
        origins=tuple(name for upstream in upstreams for name in origins(upstream)),
        servers=tuple(name for upstream in upstreams for name in told(upstream)),
        renamed=any(
            renames(upstream, entry.url) for upstream in upstreams for entry in entries(upstream)
        ),
        tell_prefix=tell_prefix,
        mount=mount,
    )
