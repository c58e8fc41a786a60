"""What an upstream says of its own address, in the words of the client.

A route that changes host or path hides both from the upstream, whose redirects and cookies would
lead its clients elsewhere.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from yarl import URL

from proxy.core.exchange import Exchange
from proxy.http.authority import DEFAULT_PORTS, comparable, hostname
from proxy.http.fields import RawHeaders, has, values
from proxy.http.forwarded import named_schemes
from proxy.http.grammar import members
from proxy.http.target import within
from proxy.middleware.rewrite.paths import normal_prefix

_URL: Final = re.compile(
    rb"(?:(https?):)?//([^/?#\\]*)((?:/[^?#]*)?)((?:[?#].*)?)", re.IGNORECASE | re.DOTALL
)
_PATH: Final = re.compile(rb"(/(?![/\\])[^?#]*)(.*)", re.DOTALL)
_NETWORK: Final = re.compile(rb"/[\t\r\n]*[/\\]")
"""Browsers take ``\\`` for a slash, and leave tabs and line breaks out."""
# Gives nothing back, so that blanks without end are read once. As browsers read it (HTML, "shared
# declarative refresh steps"): a number, a separator, maybe "url=".
_REFRESH: Final = re.compile(
    rb"[ \t]*+[0-9.]++(?:[ \t]*+[;,]|[ \t])[ \t]*+(?:url[ \t]*+=[ \t]*+)?", re.IGNORECASE
)
_QUOTES: Final = (b'"', b"'")
_HOST_ONLY: Final = b"__host-"
_OTHER: Final = {b"http": b"https", b"https": b"http"}
_KEEP_METHOD: Final = frozenset(
    {HTTPStatus.TEMPORARY_REDIRECT.value, HTTPStatus.PERMANENT_REDIRECT.value}
)
_REDIRECTS: Final = _KEEP_METHOD | {
    HTTPStatus.MOVED_PERMANENTLY.value,
    HTTPStatus.FOUND.value,
}
"""Statuses by which all that comes over http is sent to https; 303 names another page to see."""


class LocationRewriter:
    """Turns Location, Content-Location, Refresh and cookies of a route around."""

    __slots__ = ("_add", "_hosts", "_mapped", "_mount", "_names", "_origins", "_strip", "_told")

    def __init__(
        self,
        origins: Iterable[str],
        *,
        strip: str = "",
        add: str = "",
        mapped: bool = True,
        mount: str = "",
    ) -> None:
        """``origins``: what the upstream may call itself, ``http://10.0.0.1:9000``.

        ``strip`` and ``add``: prefixes that requests lose and get; ``mapped``: whether nothing else
        happens to their paths, so that it can be undone. ``mount``: what stands before all paths in
        the words of clients, which requests have lost before.
        """
        self._origins = set()
        self._told: set[tuple[bytes, bytes]] = set()
        """The same authorities with the scheme that their servers are not spoken to by."""
        self._hosts = set()
        self._names = set()
        """The hosts as URLs have them: addresses of IPv6 in brackets."""
        for origin in origins:
            url = URL(origin)
            if url.raw_host:
                scheme = url.scheme.encode()
                authority = comparable(scheme, url.raw_authority.encode())
                self._origins.add((scheme, authority))
                self._told |= _in_the_other_scheme(scheme, authority)
                self._hosts.add(url.raw_host.lower().encode())
                self._names.add((url.host_subcomponent or "").lower().encode())
        self._strip = normal_prefix(strip, what="strip_prefix")
        self._add = normal_prefix(add, what="add_prefix")
        self._mapped = mapped
        self._mount = normal_prefix(mount, what="the mount")

    def apply(
        self, fields: RawHeaders, exchange: Exchange, status: int = HTTPStatus.OK
    ) -> RawHeaders:
        """The fields of a reply to ``exchange``; the very same where there is nothing to change."""
        changed = []
        differs = False
        for name, given in fields:
            value = given
            low = name.lower()
            if low == b"location":
                if not self._asks_for_tls(value, fields, exchange, status):
                    value = self._reference(value, exchange)
            elif low == b"content-location":
                value = self._reference(value, exchange)
            elif low == b"set-cookie":
                value = self._cookie(value, exchange)
            elif low == b"refresh":
                value = self._refresh(value, exchange)
            if value is not given:
                differs = True
            changed.append((name, value))
        return changed if differs else fields

    def _refresh(self, value: bytes, exchange: Exchange) -> bytes:
        found = _REFRESH.match(value)
        if found is None:
            return value
        start, end = found.end(), len(value)
        quote = value[start : start + 1]
        if quote in _QUOTES:
            start += 1
            closing = value.find(quote, start)
            end = end if closing < 0 else closing
        else:
            end = max(start, len(value.rstrip(b" \t")))
        given = value[start:end]
        changed = self._reference(given, exchange)
        return value if changed is given else value[:start] + changed + value[end:]

    def _reference(self, value: bytes, exchange: Exchange) -> bytes:
        """A URL or a path; what is relative to the request stays right as it is."""
        found = _PATH.fullmatch(value)
        if found is not None:
            path = self._path(found[1], exchange)
            if path is found[1]:
                return value
            # What the prefix kept apart must not become the name of another host.
            return (b"/." if _NETWORK.match(path) else b"") + path + found[2]
        found = _URL.fullmatch(value)
        if found is None:
            return value
        host = exchange.host.encode("latin-1")
        scheme = (found[1] or b"").lower()
        authority, path = found[2], found[3]
        ours = comparable(scheme, authority) == comparable(scheme, host)
        own = self._is_origin(scheme, authority)
        if not host or not (ours or own or self._is_told(scheme, authority, exchange)):
            return value
        told = self._path(path or b"/", exchange)
        if path or told != b"/":  # none is "/" (RFC 9110 4.2.3)
            path = told
        if ours:
            prefix = value[: found.end(2)]
        elif scheme:
            # Of several that it was told, the one that it names is that of a front of ours.
            prefix = b"%b://%b" % (exchange.scheme.encode() if own else scheme, host)
        else:
            prefix = b"//" + host
        return prefix + path + found[4]

    def _is_origin(self, scheme: bytes, authority: bytes) -> bool:
        schemes = (scheme,) if scheme else (b"http", b"https")
        return any((known, comparable(known, authority)) in self._origins for known in schemes)

    def _is_told(self, scheme: bytes, authority: bytes, exchange: Exchange) -> bool:
        """Whether an upstream calls itself so that believes what it is told of the client.

        It has its host from Host, and its scheme from X-Forwarded-Proto or Forwarded: so it names
        https, which it is not reached by. Only if it was told: else a redirect to https would lead
        back to what asks for https again.
        """
        scheme = scheme or exchange.scheme.encode()
        if scheme not in named_schemes(exchange.headers):
            return False
        named = comparable(scheme, authority)
        if (scheme, named) in self._told:
            return True
        return any(
            named == comparable(scheme, b"%b:%b" % (name, port))
            for port in members(b",".join(values(exchange.headers, b"x-forwarded-port")))
            for name in self._names
        )

    def _asks_for_tls(
        self, value: bytes, fields: RawHeaders, exchange: Exchange, status: int
    ) -> bool:
        """Whether a redirect asks for what was asked for, by https, of an upstream that sees http.

        It says so again when it is asked by the client's own address, which would never end.
        With a cookie, the next request is another one.
        """
        found = _URL.fullmatch(value)
        if found is None or (found[1] or b"").lower() != b"https" or status not in _REDIRECTS:
            return False
        if exchange.method not in ("GET", "HEAD") and status not in _KEEP_METHOD:
            return False
        named_target = (found[3] or b"/") + found[4].partition(b"#")[0]
        # An upstream that knows its prefix has put it there itself.
        prefix = self._mount + self._stripped(exchange)
        if named_target not in (exchange.target, prefix + exchange.target):
            return False
        if has(fields, b"set-cookie"):
            return False
        named = comparable(b"https", found[2])
        if named == comparable(b"https", exchange.host.encode("latin-1")):
            return False  # no other name than its client's
        return (b"https", named) not in self._origins  # else it is what it is asked by

    def _path(self, path: bytes, exchange: Exchange) -> bytes:
        """The path that a client has to ask for."""
        if not self._mount:
            return self._unstripped(path, exchange)
        # An upstream that knows its prefix has put it there itself.
        if within(path, self._mount + self._stripped(exchange)):
            return path
        return self._mount + self._unstripped(path, exchange)

    def _stripped(self, exchange: Exchange) -> bytes:
        """What the route has taken off this request."""
        return self._strip if within(exchange.path.encode(), self._strip) else b""

    def _unstripped(self, path: bytes, exchange: Exchange) -> bytes:
        """The path that the route has to see; what cannot be had this way stays as it is."""
        if not self._mapped:
            return path
        mapped = path
        if self._add:
            if not within(mapped, self._add):
                return path
            mapped = mapped[len(self._add) :]
        strip = self._stripped(exchange)
        if strip and not within(mapped, strip):  # an upstream that knows it has put it there
            mapped = strip + mapped
        mapped = mapped or b"/"
        return path if mapped == path else mapped

    def _cookie(self, value: bytes, exchange: Exchange) -> bytes:
        """Domain and Path as the client's (RFC 6265 4.1.2).

        A Domain of the upstream's is dropped: the cookie is then for the host that was asked.
        """
        if value.lstrip().lower().startswith(_HOST_ONLY):  # has neither, by its name
            return value
        pair, *attributes = value.split(b";")
        kept = [pair]
        for attribute in attributes:
            name, _, text = attribute.partition(b"=")
            kind = name.strip().lower()
            if kind == b"domain" and self._foreign(text.strip(), exchange):
                continue
            kept.append(self._scoped(attribute, exchange) if kind == b"path" else attribute)
        cookie = b";".join(kept)
        return value if cookie == value else cookie

    def _scoped(self, attribute: bytes, exchange: Exchange) -> bytes:
        name, sign, text = attribute.partition(b"=")
        given = text.strip()
        if not given.startswith(b"/"):
            return attribute
        if self._mapped and self._add and within(self._add, given.rstrip(b"/")):
            path = self._mount + self._stripped(exchange) or b"/"  # all that the route reaches
        else:
            path = self._path(given, exchange)
        if path == given:
            return attribute
        if given == b"/":  # "/v1/" would leave out "/v1" itself
            path = path.rstrip(b"/") or b"/"
        return name + sign + path

    def _foreign(self, domain: bytes, exchange: Exchange) -> bool:
        """Whether it names the upstream's host or a domain above it, and not the client's."""
        domain = domain.lstrip(b".").lower()
        client = hostname(exchange.host).encode("latin-1")
        if _within(client, domain):
            return False
        return any(_within(host, domain) for host in self._hosts)


def _in_the_other_scheme(scheme: bytes, authority: bytes) -> set[tuple[bytes, bytes]]:
    """What an origin is called with http in place of https, or the other way round.

    A port that no URL of the one scheme has to name may be named in the other.
    """
    other = _OTHER[scheme]
    port = DEFAULT_PORTS[scheme]
    found = {(other, comparable(other, authority))}
    if not re.search(rb":[0-9]*+\Z", authority):
        found.add((other, authority + port))
    return found


def _within(host: bytes, domain: bytes) -> bool:
    return bool(domain) and (host == domain or host.endswith(b"." + domain))
