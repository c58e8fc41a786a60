"""What a route changes of a request on its way up, and of its reply on the way down."""

from collections.abc import Callable, Collection
from functools import partial
from typing import Final

from proxy.core.errors import BadRequest
from proxy.core.exchange import Exchange, Handler
from proxy.core.reply import Reply
from proxy.core.scope import Scope, UpstreamNames
from proxy.http.fields import Fields, RawHeaders, values, without
from proxy.http.grammar import Malformed
from proxy.http.target import within
from proxy.http.trailers import announced_less
from proxy.middleware.rewrite.destinations import METHODS, DestinationRewriter
from proxy.middleware.rewrite.field_rules import FieldRules
from proxy.middleware.rewrite.locations import LocationRewriter
from proxy.middleware.rewrite.options import Changes
from proxy.middleware.rewrite.paths import PathRewriter, normal_prefix

_PREFIX: Final = b"X-Forwarded-Prefix"


def link(scope: Scope, inner: Handler) -> Handler | None:
    """Where the route changes paths, fields or addresses."""
    changes = scope.find(Changes)  # type: ignore[type-abstract]
    names = scope.find(UpstreamNames)
    if changes is None or names is None:
        return None
    rewrite = Rewrite(
        inner,
        changes,
        origins=names.origins,
        servers=names.servers,
        renamed=names.renamed,
        tell_prefix=names.tell_prefix,
        mount=names.mount,
    )
    return rewrite.handle if rewrite.needed else None


class Rewrite:
    """Changes target and fields of requests, and the fields of replies."""

    __slots__ = (
        "_destinations",
        "_inner",
        "_locations",
        "_mount",
        "_prefix",
        "_request_rules",
        "_response_rules",
        "_rewrite",
        "needed",
    )

    def __init__(
        self,
        inner: Handler,
        options: Changes,
        *,
        origins: Collection[str] = (),
        servers: Collection[tuple[str, str]] = (),
        renamed: bool = False,
        tell_prefix: bool = True,
        mount: str = "",
    ) -> None:
        """``origins``, ``servers``: how servers call themselves, and are called, see the rewriters.

        ``renamed``: whether one of them is asked for by another host than the client named;
        ``tell_prefix``: whether they are told which prefix was stripped; ``mount``: one that all
        requests have lost before.
        """
        self._inner = inner
        self._rewrite: Callable[[bytes, str], bytes] | None = None
        if options.strip_prefix or options.add_prefix or options.rewrite is not None:
            paths = PathRewriter(options.strip_prefix, options.add_prefix, options.rewrite)
            self._rewrite = paths.apply
        asked, answered = options.request_headers, options.response_headers
        self._request_rules = FieldRules(asked, of_requests=True) if asked else None
        self._response_rules = FieldRules(answered) if answered else None
        told = options.strip_prefix if tell_prefix else ""
        self._prefix = normal_prefix(told, what="strip_prefix")
        self._mount = normal_prefix(mount if tell_prefix else "", what="the mount")
        self._locations: LocationRewriter | None = None
        self._destinations: DestinationRewriter | None = None
        if options.rewrite_location and (renamed or mount or self._rewrite is not None):
            self._locations = LocationRewriter(
                origins,
                strip=options.strip_prefix,
                add=options.add_prefix,
                mapped=options.rewrite is None,
                mount=mount,
            )
            strip = options.strip_prefix
            self._destinations = DestinationRewriter(servers, self._rewrite, strip, mount)
        changes = (self._rewrite, self._request_rules, self._response_rules, self._locations)
        self.needed = self._mount != b"" or changes != (None,) * 4
        """Whether it changes anything."""

    async def handle(self, exchange: Exchange) -> Reply:
        """Raises BadRequest where an address cannot be rewritten in one way only."""
        try:
            self._change_request(exchange)
        except Malformed as error:
            raise BadRequest(str(error)) from None
        rules = self._response_rules
        if rules is not None and (tell := exchange.send_informational) is not None:
            exchange.send_informational = partial(_tell, tell, rules)
        reply = await self._inner(exchange)
        if self._locations is not None:
            reply.headers = self._locations.apply(reply.headers, exchange, reply.status)
        if rules is not None:
            reply.headers = rules.apply(reply.headers, _variables(exchange))
            if (trailers := reply.trailers) is not None:
                reply.headers = announced_less(reply.headers, rules.drops)
                reply.trailers = partial(_trimmed, trailers, rules)
        return reply

    def _change_request(self, exchange: Exchange) -> None:
        if self._rewrite is not None:
            exchange.target = self._rewrite(exchange.target, exchange.path)
        prefix = self._mount
        if self._prefix and within(exchange.path.encode(), self._prefix):
            prefix += self._prefix
        if prefix:
            exchange.headers = _prefixed(exchange.headers, prefix)
        if self._destinations is not None and exchange.method in METHODS:
            exchange.headers = self._destinations.apply(exchange.headers, exchange)
        if (rules := self._request_rules) is not None:
            exchange.heard = exchange.headers
            exchange.headers = rules.apply(exchange.headers, _variables(exchange))
            exchange.no_trailers = rules.names


def _tell(
    tell: Callable[[int, bytes, RawHeaders], None],
    rules: FieldRules,
    status: int,
    reason: bytes,
    fields: RawHeaders,
) -> None:
    """What is known before the answer must not say what the rules keep out of the answer."""
    tell(status, reason, rules.trimmed(fields))


def _trimmed(trailers: Callable[[], RawHeaders], rules: FieldRules) -> RawHeaders:
    return rules.trimmed(trailers())


def _prefixed(fields: RawHeaders, prefix: bytes) -> Fields:
    """With X-Forwarded-Prefix, behind what a trusted proxy said there."""
    name = _PREFIX.lower()
    said = b", ".join([*values(fields, name), prefix])
    return [*without(fields, name), (_PREFIX, said)]


def _variables(exchange: Exchange) -> dict[str, str]:
    """What the values of header rules may name."""
    return {
        "client_addr": exchange.client,
        "request_id": exchange.request_id,
        "host": exchange.host,
    }
