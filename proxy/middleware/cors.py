"""Cross-origin requests of browsers: preflights are answered here, replies get the fields.

What the Fetch standard calls the CORS protocol. The upstream sees no preflight. What it says itself
of other origins is replaced, so that the two cannot contradict each other.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Final

from msgspec import Meta

from proxy.core.duration import Duration, seconds
from proxy.core.exchange import Exchange, Handler
from proxy.core.findings import Finding, Written, each, method_fault, token_fault, warn
from proxy.core.options import Table, described
from proxy.core.reply import NoMoreBytes, Reply
from proxy.core.scope import Scope
from proxy.http.fields import Fields, RawHeaders, values
from proxy.http.preflight import SAFE, Preflight, preflight
from proxy.http.upgrade import SWITCHING

ORIGIN: Final = r"^(\*|[a-z][a-z0-9+.-]*://((\*\.)?[a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]+)?)$"
_ANY: Final = "*"
_PREFIX: Final = b"access-control-"
_VARY: Final = b"Vary"


class CorsOptions(Table, frozen=True, kw_only=True):
    """Which pages of other origins may ask, by the CORS protocol of browsers."""

    allow_origins: Annotated[
        tuple[Annotated[str, Meta(pattern=ORIGIN)], ...],
        described(
            'Origins whose pages may read replies: "https://app.example.com"; '
            '"https://*.example.com" for all names below; "*" for any.'
        ),
    ] = ()
    allow_methods: Annotated[
        tuple[str, ...], described('Methods that they may use; "*" for any.')
    ] = ("GET", "HEAD", "POST")
    allow_headers: Annotated[
        tuple[str, ...], described('Fields that they may send; "*" for any.')
    ] = ()
    expose_headers: Annotated[
        tuple[str, ...], described('Fields of replies that they may read; "*" for any.')
    ] = ()
    credentials: Annotated[
        bool, described("Whether they may send cookies and other credentials of their user.")
    ] = False
    max_age: Annotated[
        Duration,
        described('How long a browser may remember the answer to a preflight; "0": not told.'),
    ] = seconds(600)


def problems(written: Written) -> Iterator[Finding]:
    """What is wrong with `[cors]`."""
    options: CorsOptions | None = written.options.cors
    if options is not None and written.options.methods:
        yield from _methods_doubted(written, options)
    if options is None or (place := written.at("cors")) is None:
        return
    if not options.allow_origins:
        yield Finding((*place, "allow_origins"), "expected at least one origin")
    if options.credentials and _ANY in options.allow_origins:
        message = 'with "*" every site could read what your users see: name the origins'
        yield Finding((*place, "credentials"), message)
    if options.credentials and _ANY in options.expose_headers:
        message = 'browsers take "*" for a name where credentials is true: name the fields'
        yield Finding((*place, "expose_headers"), message)
    yield from each((*place, "allow_methods"), options.allow_methods, method_fault)
    for option in ("allow_headers", "expose_headers"):
        yield from each((*place, option), getattr(options, option), token_fault)


def _methods_doubted(written: Written, options: CorsOptions) -> Iterator[Finding]:
    """What pages may not ask of a route that takes some methods only."""
    taken, allowed = set(written.options.methods), set(options.allow_methods)
    named = ", ".join(written.options.methods)
    own = written.own("cors")
    asked = taken - {"OPTIONS"}  # alone it is for the preflights of other routes
    if own and asked and (beyond := sorted(allowed - taken - SAFE - {_ANY})):
        message = f"methods are {named}: a page that may use {', '.join(beyond)} gets 405"
        yield from warn((*own, "allow_methods"), message)
    at = written.at("cors")
    if at and asked and _ANY not in allowed and not asked & (allowed | SAFE):
        message = f"no page may ask for anything: methods are {named}, expected one of them here"
        yield from warn((*at, "allow_methods"), message)


def link(scope: Scope, inner: Handler) -> Handler | None:
    """Where there is ``[cors]``."""
    options = scope.find(CorsOptions)
    if options is None:
        return None
    cors = Cors(inner, options)
    scope.own_fields = cors.own_fields
    return cors.handle


class Cors:
    """Answers preflights, and says on every reply which pages may read it."""

    __slots__ = ("_any", "_exact", "_expose", "_inner", "_options", "_patterns")

    def __init__(self, inner: Handler, options: CorsOptions) -> None:
        self._inner = inner
        self._options = options
        self._any = _ANY in options.allow_origins
        self._exact = frozenset(each.encode() for each in options.allow_origins)
        self._patterns = [
            re.compile(re.escape(each).replace(r"\*\.", r"[a-z0-9._-]+\.").encode())
            for each in options.allow_origins
            if "//*." in each
        ]
        self._expose = ", ".join(options.expose_headers).encode()

    async def handle(self, exchange: Exchange) -> Reply:
        """As the rest of the chain; a preflight goes no further."""
        if (asked := preflight(exchange.method, exchange.headers)) is not None:
            return self._preflight(asked)
        fields = exchange.error_fields = self._fields(_origin(exchange.headers))
        reply = await self._inner(exchange)
        if reply.status != SWITCHING:
            kept = [each for each in reply.headers if not each[0].lower().startswith(_PREFIX)]
            reply.headers = [*kept, *fields]
        return reply

    def own_fields(self, headers: RawHeaders) -> RawHeaders:
        """What the answer to a request with these fields carries that never comes here."""
        return self._fields(_origin(headers))

    def _fields(self, origin: bytes) -> Fields:
        fields = self._allowed(origin)
        if fields and self._expose:
            fields.append((b"Access-Control-Expose-Headers", self._expose))
        if not self._any:
            fields.append((_VARY, b"Origin"))
        return fields

    def _allowed(self, origin: bytes) -> Fields:
        """What says that pages of this origin may read the reply; nothing where they may not."""
        if not origin or not self._takes(origin):
            return [(b"Access-Control-Allow-Origin", b"*")] if self._any else []
        fields = [(b"Access-Control-Allow-Origin", b"*" if self._any else origin)]
        if self._options.credentials:
            fields.append((b"Access-Control-Allow-Credentials", b"true"))
        return fields

    def _takes(self, origin: bytes) -> bool:
        if self._any or origin in self._exact:
            return True
        return any(pattern.fullmatch(origin) for pattern in self._patterns)

    def _preflight(self, asked: Preflight) -> Reply:
        """204, with what is allowed; a browser goes no further where that is nothing."""
        fields = self._allowed(asked.origin)
        if self._takes(asked.origin):
            options = self._options
            # Where credentials are sent "*" is no wildcard: what was asked for is named.
            _add(fields, b"Methods", options.allow_methods, asked.method)
            _add(fields, b"Headers", options.allow_headers, asked.wanted)
            if options.max_age:
                fields.append((b"Access-Control-Max-Age", b"%d" % options.max_age))
        vary = b"Access-Control-Request-Method, Access-Control-Request-Headers"
        fields.append((_VARY, vary if self._any else b"Origin, " + vary))
        return Reply(204, fields, NoMoreBytes(), reason=b"No Content", length=0, whole=b"")


def _origin(headers: RawHeaders) -> bytes:
    origins = values(headers, b"origin")
    return origins[0] if len(origins) == 1 else b""


def _add(fields: Fields, name: bytes, allowed: tuple[str, ...], wanted: bytes) -> None:
    said = wanted if _ANY in allowed else ", ".join(allowed).encode()
    if said:
        fields.append((b"Access-Control-Allow-" + name, said))
