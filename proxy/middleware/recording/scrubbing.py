"""Takes secrets out of what is recorded, and out of what recorded requests are found by.

In a request a secret becomes ``***``, so that a test may send any other in its place. In a body of
a reply it becomes as many asterisks as it had bytes: all others stay where they were, and
Content-Length and the pieces of a stream stay right.

Secrets are: the fields and parameters that ``core/redaction`` knows, cookies, members of JSON and
parameters of forms that are called as a secret is, the secrets of the configuration, and whatever a
request has sent as a credential, in a field or a parameter, wherever it stands.
"""

import re
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import unquote_to_bytes

from proxy.core.redaction import CREDENTIALS, HIDDEN, known_secrets, underlined
from proxy.core.targets_shown import Targets
from proxy.http.equivalence import TRACING_FIELDS
from proxy.http.fields import Fields, RawHeaders, media_type, values, without
from proxy.http.hop_by_hop import HOP_BY_HOP

_HIDDEN: Final = HIDDEN.encode()
_SHORTEST: Final = 6
_SHORTEST_VALUE: Final = 16
"""Bytes of a cookie or a parameter that is looked for: a short one may well be ``accepted``."""
_MEMBERS: Final = frozenset(
    b"""access_token refresh_token id_token client_secret client_assertion password passwd
    passphrase api_key apikey api_secret app_secret secret_key private_key auth_token session_token
    security_token private_token oauth_token bearer_token accesstoken refreshtoken idtoken
    clientsecret secretkey sessiontoken""".split()
)
"""Members of JSON that hold nothing but a secret; ``key``, ``code``, ``token`` may be anything."""
_COOKIES: Final = (b"set-cookie", b"set-cookie2")
_PLACES: Final = (b"location", b"content-location")
_LEFT_OUT: Final = TRACING_FIELDS | HOP_BY_HOP
"""What proxies add, and what differs each time: it would be noise in every comparison."""
FORM: Final = b"application/x-www-form-urlencoded"
_MULTIPART: Final = b"multipart/form-data"
_PART: Final = re.compile(
    rb'(?i)content-disposition:[^\r\n]*?[; ]name="?([^"\r\n;]*)[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n'
)
"""The head of a part (RFC 7578 4.2), with its name."""
_CODINGS: Final = {b"gzip": 31, b"x-gzip": 31, b"deflate": 47}
"""What zlib is told to read them; 47: with a head of zlib, or of gzip."""


class Scrubber:
    """Hides the secrets of one recording."""

    __slots__ = ("_fields", "_form", "_members", "_targets")

    def __init__(self, redact: Iterable[str] = ()) -> None:
        """``redact``: names of fields, parameters and members whose values are hidden too."""
        more = {name.lower().encode() for name in redact}
        self._targets = Targets(redact)
        self._fields = CREDENTIALS | more
        wanted = set(map(underlined, _MEMBERS | more))
        names = b"|".join(re.escape(name).replace(b"_", b"[-_]") for name in sorted(wanted))
        # As raw bytes: what is not hidden stays as it was written, and bodies need not be whole.
        self._members = re.compile(
            rb'(?i)("(?:%b)"\s*:\s*")((?:[^"\\]|\\.)+)|(\\"(?:%b)\\"\s*:\s*\\")([^"\\]+)'
            % (names, names)
        )

    def target(self, target: bytes, secrets: Sequence[bytes]) -> bytes:
        """A request's target, or an address."""
        return _without(self._targets.show(target), secrets, _short)

    def request_fields(self, fields: RawHeaders, secrets: Sequence[bytes]) -> Fields:
        """What a client has sent: without what proxies add."""
        kept: Fields = []
        for name, value in fields:
            low = name.lower()
            if low in _LEFT_OUT or low.startswith(b"x-forwarded-"):
                continue
            hidden = _HIDDEN if low in self._fields else _without(value, secrets, _short)
            kept.append((name, hidden))
        return kept

    def request_body(self, body: bytes, fields: RawHeaders, secrets: Sequence[bytes]) -> bytes:
        """The body of a request."""
        return self._body(body, fields, secrets, _short)

    def reply_fields(self, fields: RawHeaders, secrets: Sequence[bytes]) -> Fields:
        """What the API has answered."""
        kept: Fields = []
        for name, value in fields:
            low = name.lower()
            shown = value
            if low in _COOKIES:
                pair, semicolon, rest = value.partition(b";")
                shown = pair.partition(b"=")[0] + b"=" + _HIDDEN + semicolon + rest
            elif low in self._fields:
                shown = _HIDDEN
            elif low in _PLACES:
                shown = self._targets.show(value)
            kept.append((name, _without(shown, secrets, _short)))
        return kept

    def reply_body(
        self, body: bytes, fields: Fields, secrets: Sequence[bytes]
    ) -> tuple[bytes, Fields]:
        """The body of a reply, of the same length, and its fields.

        If a secret stands in a body that is compressed, both are of what was compressed.
        """
        codings = values(fields, b"content-encoding")
        if not codings:
            return self._body(body, fields, secrets, _long), fields
        plain = _decoded(body, codings)
        if plain is None or (hidden := self._body(plain, fields, secrets, _long)) == plain:
            return body, fields
        return hidden, without(fields, b"content-encoding")

    def secrets_in(self, target: bytes, form: bytes = b"") -> list[bytes]:
        """What a request sends in parameters that are never shown, which an API may repeat."""
        found: set[bytes] = set()
        for part in re.split(rb"[&;?]", b"%b&%b" % (target.partition(b"?")[2], form)):
            name, _, value = part.partition(b"=")
            if self._targets.hides(name):
                found.update((value, unquote_to_bytes(value.replace(b"+", b" "))))
        return _longest_first(value for value in found if len(value) >= _SHORTEST_VALUE)

    def _body(
        self,
        body: bytes,
        fields: RawHeaders,
        secrets: Sequence[bytes],
        mask: Callable[[bytes], bytes],
    ) -> bytes:
        def member(found: re.Match[bytes]) -> bytes:
            name, value = (found[1], found[2]) if found[1] else (found[3], found[4])
            return name + mask(value)

        kind = kind_of(fields)
        if kind == FORM:  # GitHub answers a request for a token so
            parts = re.split(rb"([&;?])", body)
            body = b"".join([self._parameter(part, mask) for part in parts])
        elif kind == _MULTIPART:
            body = self._parts(body, mask)
        return _without(self._members.sub(member, body), secrets, mask)

    def _parameter(self, part: bytes, mask: Callable[[bytes], bytes]) -> bytes:
        name, equals, value = part.partition(b"=")
        return name + equals + mask(value) if value and self._targets.hides(name) else part

    def _parts(self, body: bytes, mask: Callable[[bytes], bytes]) -> bytes:
        shown, at = [], 0
        for head in _PART.finditer(body):
            end = body.find(b"\r\n--", head.end())
            if end > head.end() >= at and self._targets.hides(head[1]):
                shown += [body[at : head.end()], mask(body[head.end() : end])]
                at = end
        return b"".join([*shown, body[at:]])


def kind_of(fields: RawHeaders) -> bytes:
    """The media type of a body."""
    return media_type(b"".join(values(fields, b"content-type")[:1]))


def cookies_set(fields: RawHeaders) -> list[bytes]:
    """Values of cookies that a reply sets, which it may repeat in its body."""
    pairs = [value.partition(b";")[0] for name, value in fields if name.lower() in _COOKIES]
    found = (pair.partition(b"=")[2].strip(b' "') for pair in pairs)
    return _longest_first(each for each in found if len(each) >= _SHORTEST_VALUE)


def _longest_first(found: Iterable[bytes]) -> list[bytes]:
    return sorted(found, key=len, reverse=True)


def secrets_of(fields: RawHeaders, also: Sequence[bytes] = ()) -> list[bytes]:
    """What must not be found anywhere: credentials of a request, and of the configuration.

    ``also``: values of fields of other names, which were sent as credentials. The longest first.
    """
    found = {text.encode("utf-8", "surrogateescape") for text in known_secrets()}
    for name, value in [*fields, *((b"authorization", each) for each in also)]:
        low = name.lower()
        if low == b"cookie":
            cookies = (pair.partition(b"=")[2].strip(b' "') for pair in value.split(b";"))
            found.update(each for each in cookies if len(each) >= _SHORTEST_VALUE)
        elif low in CREDENTIALS:
            found.update(_credentials(value))
    return _longest_first(each for each in found if len(each) >= _SHORTEST)


def _credentials(value: bytes) -> Iterable[bytes]:
    """The secrets in a field: what stands behind a scheme, the password of a Basic login too."""
    scheme, blank, rest = value.strip().partition(b" ")
    if not blank:
        return [scheme]
    found = [rest.strip()]
    if scheme.lower() == b"basic":
        with suppress(ValueError):
            found.append(b64decode(rest).partition(b":")[2])
    return found


def _short(_: bytes) -> bytes:
    return _HIDDEN


def _long(secret: bytes) -> bytes:
    return b"*" * len(secret)


def _without(text: bytes, secrets: Sequence[bytes], mask: Callable[[bytes], bytes]) -> bytes:
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, mask(secret))
    return text


def _decoded(body: bytes, codings: Sequence[bytes]) -> bytes | None:
    """What was compressed; None where that cannot be told."""
    window = _CODINGS.get(codings[0].strip().lower()) if len(codings) == 1 else None
    if window is None:
        return None
    try:
        return zlib.decompressobj(window).decompress(body, 64 << 20)
    except zlib.error:
        return None
