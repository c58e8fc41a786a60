"""What a request says of addresses, in the words of the upstream: WebDAV (RFC 4918).

A route that changes host or path changes them in ``Destination`` of COPY and MOVE and in the tags
of ``If`` too, or the upstream would look for another host, or write somewhere else.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final

from proxy.core.exchange import Exchange
from proxy.http.authority import comparable
from proxy.http.fields import RawHeaders
from proxy.http.grammar import Malformed, shown
from proxy.http.target import normal_path, within
from proxy.middleware.rewrite.paths import PathRewriter, normal_prefix

METHODS: Final = frozenset(
    {"COPY", "MOVE", "PUT", "PATCH", "DELETE", "LOCK", "UNLOCK", "MKCOL", "PROPPATCH", "POST"}
)
"""Those that may carry one of the fields."""

_FIELDS: Final = frozenset({b"destination", b"if"})
_URL: Final = re.compile(rb"(https?)://([^/?#]*+)([^#]*+)(?:#.*)?", re.IGNORECASE | re.DOTALL)
_TAGS: Final = re.compile(rb'\((?>(?:[^()"]++|"[^"]*+")*)\)|<([^<>]*+)>')
"""Lists of conditions, which stay, and tags in between."""


class DestinationRewriter:
    """Turns addresses of a request around."""

    __slots__ = ("_mount", "_rewrite", "_server", "_strip")

    def __init__(
        self,
        servers: Iterable[tuple[str, str]],
        rewrite: Callable[[bytes, str], bytes] | None,
        strip: str = "",
        mount: str = "",
    ) -> None:
        """``servers``: scheme and Host, as each of them is told; no Host where it is the client's.

        ``rewrite``: what becomes of targets, which may raise Malformed; ``strip``: their prefix;
        ``mount``: what stands before that, and is not there any more where targets are rewritten.
        """
        known = {(scheme.encode(), host.encode()) for scheme, host in servers}
        # Where servers have names of their own, a path is right for each (RFC 4918 8.3).
        self._server = known.pop() if len(known) == 1 else None
        self._rewrite = rewrite
        self._strip = normal_prefix(strip, what="strip_prefix")
        self._mount = PathRewriter(mount)

    def apply(self, fields: RawHeaders, exchange: Exchange) -> RawHeaders:
        """The fields of a request, the very same where there is nothing to change.

        Raises Malformed for an address on the route's host that the route cannot reach.
        """
        changed = []
        differs = False
        for name, given in fields:
            value = given
            low = name.lower()
            if low in _FIELDS:
                if low == b"destination":
                    value = self._address(given, exchange)
                else:
                    value = _TAGS.sub(lambda found: self._tag(found, exchange), given)
                differs |= value != given
            changed.append((name, value))
        return changed if differs else fields

    def _tag(self, found: re.Match[bytes], exchange: Exchange) -> bytes:
        tag = found[1]
        return found[0] if tag is None else b"<%b>" % self._address(tag, exchange)

    def _address(self, value: bytes, exchange: Exchange) -> bytes:
        if value.startswith(b"/") and not value.startswith(b"//"):
            return self._target(value.partition(b"#")[0])
        found = _URL.fullmatch(value)
        if found is None:
            return value
        host = exchange.host.encode("latin-1")
        scheme = found[1].lower()
        if comparable(scheme, found[2]) != comparable(scheme, host):
            return value  # somebody else's, which the upstream has to refuse
        target = self._target(found[3] if found[3].startswith(b"/") else b"/" + found[3])
        if self._server is None:
            return target
        scheme, name = self._server
        return b"%b://%b%b" % (scheme, name or host, target)

    def _target(self, target: bytes) -> bytes:
        path = normal_path(target)
        if self._mount.strip:
            if not within(path.encode("ascii"), self._mount.strip):
                raise Malformed(f"the address {shown(target)!r} is outside the proxy's path")
            target = self._mount.apply(target, path)
            path = normal_path(target)
        if self._strip and not within(path.encode("ascii"), self._strip):
            raise Malformed(f"the address {shown(target)!r} is outside the route's prefix")
        return target if self._rewrite is None else self._rewrite(target, path)
