"""The order of every chain, with its reasons. No order is decided anywhere else.

A request meets the links of ROUTE from the top, then those of UPSTREAM for the upstream that it is
for, then those of ENDPOINT for the server that was chosen, and at last ``upstream/forward``, which
sends it. A reply comes up the same way. What the options of a route leave out is not in its chain.

A link is a module with ``link(scope, inner)``: it returns its handler around ``inner``, ``inner``
itself where a link above does its work, or None where the options leave it out. ``run/tree`` walks
these tables. A new concern is one file and one row here. Move a row only with its reason.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from proxy.core.cache_options import CacheOptions
from proxy.core.exchange import Handler
from proxy.core.rate_limit_options import RateLimitOptions
from proxy.core.scope import Scope
from proxy.core.stream_options import StreamOptions
from proxy.middleware import commit, cors, fallback, per_try, rate_limit, total
from proxy.middleware.coalesce.options import CoalesceOptions
from proxy.middleware.concurrency.options import ConcurrencyOptions
from proxy.middleware.deadline.options import DeadlineOptions
from proxy.middleware.hedge.options import HedgeOptions
from proxy.middleware.load_balance import load_balance
from proxy.middleware.retry import retry
from proxy.middleware.rewrite import rewrite
from proxy.run.later import Later
from proxy.upstream.credentials.options import CredentialsOptions


class Concern(Protocol):
    """A module that makes a link, or what loads it."""

    __name__: str

    def link(self, scope: Any, inner: Handler) -> Handler | None:
        """The handler around ``inner``, or ``inner``, or None."""


class Link(NamedTuple):
    """A row of a chain."""

    concern: Concern
    reason: str

    @property
    def name(self) -> str:
        """As its file, or its folder, is called: ``retry``, ``deadline/propagation``."""
        folder, _, file = self.concern.__name__.removeprefix("proxy.middleware.").partition(".")
        return folder if file in ("", folder) else f"{folder}/{file}"


OnLink: TypeAlias = Callable[[Scope, Link], None]


cache: Final = Later("cache.cache", CacheOptions)
coalesce: Final = Later("coalesce.coalesce", CoalesceOptions, CacheOptions)
concurrency: Final = Later(
    "concurrency.concurrency",
    ConcurrencyOptions,
    wanted=lambda scope: (
        scope.find(ConcurrencyOptions) is not None
        or scope.shared.had(("concurrency", scope.upstream))
    ),  # whose limit is lifted
)
credentials: Final = Later(
    "credentials", CredentialsOptions, wanted=lambda s: getattr(s.credentials, "keys", ())
)
deadline: Final = Later("deadline.deadline", DeadlineOptions)
hedge: Final = Later("hedge.hedge", HedgeOptions)
propagation: Final = Later("deadline.propagation", DeadlineOptions)
quota_wait: Final = Later("quota_wait", RateLimitOptions)
recording: Final = Later(
    "recording.recording", wanted=lambda scope: scope.shared.recording_mode is not None
)
resume: Final = Later("resume.resume", StreamOptions)
sse_keepalive: Final = Later("sse_keepalive.sse_keepalive", StreamOptions)
tracing: Final = Later("tracing", wanted=lambda scope: scope.shared.traced)
upstream_quota: Final = Later("upstream_quota", RateLimitOptions)
writes: Final = Later(
    "cache.writes",
    CacheOptions,
    wanted=lambda scope: scope.shared.store is not None and scope.find(CacheOptions) is None,
)
wait_for_connect: Final = Later(
    "concurrency.wait_for_connect", wanted=lambda scope: scope.wait_for_connect
)


ROUTE: Final = (
    Link(recording, "first: what `record` keeps is what clients see; `replay` asks nobody below"),
    Link(
        cors, "above rewrite: it reads Origin as it was sent; a preflight counts for no limit below"
    ),
    Link(rewrite, "above the rest: all that follows sees the request as the upstream will"),
    Link(deadline, "above all that waits: no wait below may outlive what the client gives it"),
    Link(total, "likewise; below deadline, which counts total in where the client says something"),
    Link(
        rate_limit, "each request of a client counts, whoever answers it, unless hits give it back"
    ),
    Link(sse_keepalive, "above resume: what it says is for this client, not for the next one"),
    Link(resume, "above all that asks an upstream: a stream that is resumed asks nobody"),
    Link(cache, "above all that asks: a stored answer takes no token, no permit and no server"),
    Link(writes, "in the place of cache: what a write changes, other routes may have stored"),
    Link(coalesce, "above all tries: they are made once for all that share the reply"),
    Link(fallback, "above retry: an upstream has failed when its tries have run out"),
)
"""Once for each route."""

UPSTREAM: Final = (
    Link(wait_for_connect, "above retry: its tries have run out while no server is there"),
    Link(retry, "above the permits: while it waits between two tries it holds none"),
    Link(commit, "below retry: what breaks before the client sees anything is one failed try"),
    Link(quota_wait, "above copies and permits: whoever waits for its own quota needs neither"),
    Link(hedge, "above the permits: a copy needs one of its own"),
    Link(concurrency, "above the choice of a server: the limit counts for all of them together"),
    Link(load_balance, "chooses last: nothing that waits may come between choice and sending"),
)
"""Once for each upstream that a route asks."""

ENDPOINT: Final = (
    Link(credentials, "above the quota: a key that is refused gives way to one that has its own"),
    Link(upstream_quota, "each server has its own: what one does not take now, another may"),
    Link(propagation, "below all that waits: it says how much time is left when the request goes"),
    Link(per_try, "around one attempt alone: another one has its own time"),
    Link(tracing, "last: each attempt that is sent tells the upstream its own span"),
)
"""Once for each endpoint, as a route reaches it."""


def missing(tables: Collection[type]) -> list[Later]:
    """What a configuration with these tables loads, and nothing has loaded yet."""
    concerns = [link.concern for link in (*ROUTE, *UPSTREAM, *ENDPOINT)]
    return [each for each in concerns if isinstance(each, Later) and each.is_missing(tables)]


def linked(
    chain: Sequence[Link], scope: Scope, inner: Handler, on_link: OnLink | None = None
) -> Handler:
    """``inner``, below those links of ``chain`` that the options of ``scope`` ask for."""
    for link in reversed(chain):
        handler = link.concern.link(scope, inner)
        if handler is not None:
            inner = handler
            if on_link is not None:
                on_link(scope, link)
    return inner
