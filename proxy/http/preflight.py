"""What a browser asks before a page of another origin may send its request (Fetch, CORS protocol).

It names the method of that request, and the fields that a page has set; none of their values, and
none that every page may send.
"""

from typing import Final, NamedTuple

from proxy.http.fields import RawHeaders, values
from proxy.http.grammar import members

SAFE: Final = frozenset({"GET", "HEAD", "POST"})
"""Methods that every page may use, whatever a preflight is told."""

_NEVER_NAMED: Final = frozenset(
    (b"accept", b"accept-language", b"content-language", b"content-type", b"cookie", b"range")
)
"""Fields that a browser may send without naming them."""


class Preflight(NamedTuple):
    """A question for a request that is still to come."""

    origin: bytes
    method: bytes
    fields: RawHeaders
    """Its own; those of the request are others."""

    def may_follow_with(self, name: bytes, value: bytes | None) -> bool:
        """Whether the request may carry this field, its name in lower case; None: any value."""
        if name in _NEVER_NAMED or name in members(self.wanted.lower()):
            return True
        given = values(self.fields, name)  # such as User-Agent: it is the browser's own
        return bool(given) and (value is None or value in [each.strip() for each in given])

    @property
    def wanted(self) -> bytes:
        """The names of the fields that the page has set, as the browser wrote them."""
        return b", ".join(values(self.fields, b"access-control-request-headers"))


def preflight(method: str, fields: RawHeaders) -> Preflight | None:
    """None where a request is no preflight."""
    if method != "OPTIONS":
        return None
    origins = values(fields, b"origin")
    asked = values(fields, b"access-control-request-method")
    if len(origins) != 1 or not origins[0] or not asked:
        return None
    return Preflight(origins[0], asked[0], fields)
