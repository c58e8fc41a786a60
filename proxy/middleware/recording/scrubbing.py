"""Takes secrets out of what is recorded, and out of what recorded requests are found by.

In a request a secret becomes ``***``, so that a test may send any other in its place. In a body of
a reply it becomes as many asterisks as it had bytes: all others stay where they were, and
Content-Length and the pieces of a stream stay right.

Secrets are: the fields and parameters that ``core/redaction`` knows, cookies, members of JSON and
parameters of forms that are called as a secret is, the secrets of the configuration, and whatever a
request has sent as a credential, in a field, a parameter or a member, wherever it stands.
"""

import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import unquote_to_bytes

from proxy.core.redaction import CREDENTIALS, HIDDEN, known_secrets
from proxy.core.secret_parameters import plain_name, underlined
from proxy.core.targets_shown import Targets
from proxy.http.codings import codings
from proxy.http.equivalence import TRACING_FIELDS
from proxy.http.fields import Fields, RawHeaders, content_kind, without
from proxy.http.hop_by_hop import HOP_BY_HOP
from proxy.middleware.recording import masking
from proxy.middleware.recording.decoded import decoded
from proxy.middleware.recording.masking import LONG, SHORT, Mask
from proxy.middleware.recording.members import Members

_HIDDEN: Final = HIDDEN.encode()
_SHORTEST: Final = 6
_SHORTEST_VALUE: Final = 16
"""Bytes of a cookie or a parameter that is looked for: a short one may well be ``accepted``."""
_SHORTEST_NAMED: Final = 8
"""Bytes of a value with a digit and a letter whose name says that it is a secret."""
_UNLIKE_A_WORD: Final = re.compile(rb"(?=.*[0-9])(?=.*[A-Za-z])", re.DOTALL)
_MEMBERS: Final = frozenset(
    b"""access_token refresh_token id_token client_secret client_assertion password passwd
    passphrase api_key apikey api_secret app_secret secret_key private_key auth_token session_token
    security_token private_token oauth_token bearer_token accesstoken refreshtoken idtoken
    clientsecret secretkey sessiontoken""".split()
)
"""Members of JSON that hold nothing but a secret; ``key``, ``code``, ``token`` may be anything."""
_COOKIES: Final = (b"set-cookie", b"set-cookie2")
_PLACES: Final = (b"location", b"content-location", b"referer")
"""Fields that are an address: Referer is that of the page before."""
_QUERY: Final = re.compile(rb"""[?#]((?:[^\s"'<>\\^`{|}]|\\+u0026|\\+/)+)""")
_OF_PATHS: Final = re.compile(rb"""[^\s"'<>?#]*""")
_ADDRESS: Final = re.compile(rb"https?:\\{0,7}/|(?:^|[(=])\\{0,7}/")
"""What an address in a body has before its query: a question mark in a program is none."""
_LONGEST_PATH: Final = 1024
_PARTING: Final = re.compile(rb"([&;?#()]|\\+u0026)")
_LEFT_OUT: Final = TRACING_FIELDS | HOP_BY_HOP
"""What proxies add, and what differs each time: it would be noise in every comparison."""
FORM: Final = b"application/x-www-form-urlencoded"
_MULTIPART: Final = b"multipart/form-data"
_PART: Final = re.compile(
    rb'(?im)^content-disposition:(?>[^\r\n]*?[; ]name="?)([^"\r\n;]*+)[^\r\n]*+\r\n'
    rb"(?>(?:[^\r\n]++\r\n){0,30})\r\n"
)
"""The head of a part (RFC 7578 4.2), with its name. A line is looked at 31 times at most."""


class Scrubber:
    """Hides the secrets of one recording."""

    __slots__ = ("_fields", "_members", "_sure", "_targets")

    def __init__(self, redact: Iterable[str] = ()) -> None:
        """``redact``: names of fields, parameters and members whose values are hidden too."""
        more = {name.lower().encode() for name in redact}
        self._targets = Targets(redact)
        self._fields = CREDENTIALS | more
        wanted = set(map(underlined, _MEMBERS | more))
        self._sure = wanted
        self._members = Members(wanted)

    def target(self, target: bytes, secrets: Sequence[bytes]) -> bytes:
        """A request's target, or an address."""
        return masking.without(self._targets.show(target), secrets, SHORT)

    def request_fields(self, fields: RawHeaders, secrets: Sequence[bytes]) -> Fields:
        """What a client has sent: without what proxies add."""
        kept: Fields = []
        for name, value in fields:
            low = name.lower()
            if low in _LEFT_OUT or low.startswith(b"x-forwarded-"):
                continue
            kept.append((name, self._value(low, value, secrets)))
        return kept

    def request_body(self, body: bytes, fields: RawHeaders, secrets: Sequence[bytes]) -> bytes:
        """The body of a request."""
        return self._body(body, fields, secrets, SHORT)

    def reply_fields(self, fields: RawHeaders, secrets: Sequence[bytes]) -> Fields:
        """What the API has answered."""
        kept: Fields = []
        for name, value in fields:
            low, shown = name.lower(), value
            if low in _COOKIES:
                pair, semicolon, rest = value.partition(b";")
                shown = pair.partition(b"=")[0] + b"=" + _HIDDEN + semicolon + rest
            kept.append((name, self._value(low, shown, secrets)))
        return kept

    def _value(self, low: bytes, value: bytes, secrets: Sequence[bytes]) -> bytes:
        """Of a field of any message."""
        if low in self._fields:
            return _HIDDEN
        if low in _PLACES:
            return self.target(value, secrets)
        return masking.without(self._addresses(value, SHORT, _is_any), secrets, SHORT)

    def reply_body(
        self, body: bytes, fields: Fields, secrets: Sequence[bytes]
    ) -> tuple[bytes, Fields]:
        """The body of a reply, of the same length, and its fields.

        If a secret stands in a body that is compressed, both are of what was compressed.
        """
        if not codings(fields):
            return self._body(body, fields, secrets, LONG), fields
        plain = decoded(body, fields)
        if plain is None or (hidden := self._body(plain, fields, secrets, LONG)) == plain:
            return body, fields
        return hidden, without(fields, b"content-encoding")

    def secrets_in(self, target: bytes, body: bytes = b"", fields: RawHeaders = ()) -> list[bytes]:
        """What a request sends in parameters and members that are never shown.

        The API may repeat it under another name.
        """
        found = set(self._parameters(target.partition(b"?")[2]))
        kind = content_kind(fields)
        if kind == FORM:
            found.update(self._parameters(body))
        elif kind == _MULTIPART:
            found.update((name, body[start:end]) for name, start, end in self._hidden_parts(body))
        for member in self._members.find(body):
            for scalar in member.scalars:
                if not masking.is_secret(body, scalar):
                    continue
                text = body[scalar.start : scalar.end]
                found.update({(b"password", text), (b"password", _unescaped(text))})
        return _longest_first({value for name, value in found if self._is_telling(name, value)})

    def _parameters(self, query: bytes) -> Iterator[tuple[bytes, bytes]]:
        for part in re.split(rb"[&;?]", query):
            name, _, value = part.partition(b"=")
            if self._targets.hides(name):
                yield name, value
                yield name, unquote_to_bytes(value.replace(b"+", b" "))

    def _is_telling(self, name: bytes, value: bytes) -> bool:
        """Whether it is looked for elsewhere."""
        if plain_name(name) in self._sure and _UNLIKE_A_WORD.match(value):
            return len(value) >= _SHORTEST_NAMED
        return len(value) >= _SHORTEST_VALUE

    def _body(self, body: bytes, fields: RawHeaders, secrets: Sequence[bytes], mask: Mask) -> bytes:
        shown, at = [], 0
        for member in self._members.find(body):
            shown += [body[at : member.start], mask.member(body, member)]
            at = member.end
        body = b"".join([*shown, body[at:]])
        # After members: curl calls JSON a form too, and a secret in it may hold a "&".
        kind = content_kind(fields)
        if kind == FORM:  # GitHub answers a request for a token so
            parts = re.split(rb"([&;?])", body)
            body = b"".join([self._parameter(part, mask) for part in parts])
        elif kind == _MULTIPART:
            body = self._parts(body, mask)
        body = self._addresses(body, mask, _is_address)
        return masking.without(body, secrets, mask)

    def _addresses(self, text: bytes, mask: Mask, holds: Callable[[bytes, int], bool]) -> bytes:
        """A text, and addresses in it without the values of their secret parameters.

        ``holds``: whether an address has its query there.
        """

        def shown(found: re.Match[bytes]) -> bytes:
            parts = _PARTING.split(found[1])
            query = b"".join([self._parameter(part, mask) for part in parts])
            if query == found[1] or not holds(text, found.start()):
                return found[0]
            return found[0][:1] + query

        return _QUERY.sub(shown, text)

    def _parameter(self, part: bytes, mask: Mask) -> bytes:
        name, equals, value = part.partition(b"=")
        return name + equals + mask.secret(value) if value and self._targets.hides(name) else part

    def _parts(self, body: bytes, mask: Mask) -> bytes:
        shown, at = [], 0
        for _, start, end in self._hidden_parts(body):
            shown += [body[at:start], mask.secret(body[start:end])]
            at = end
        return b"".join([*shown, body[at:]])

    def _hidden_parts(self, body: bytes) -> Iterator[tuple[bytes, int, int]]:
        """Name, start and end of each part that is never shown."""
        at, end = 0, -1
        for head in _PART.finditer(body):
            if end < head.end() and (end := body.find(b"\r\n--", head.end())) < 0:
                break
            if end > head.end() >= at and self._targets.hides(head[1]):
                yield head[1], head.end(), end
                at = end


def _is_any(_: bytes, __: int) -> bool:
    return True


def _is_address(text: bytes, at: int) -> bool:
    """Whether an address ends there but for its query."""
    backwards = _OF_PATHS.match(text[max(0, at - _LONGEST_PATH) : at][::-1])
    return backwards is not None and _ADDRESS.search(backwards[0][::-1]) is not None


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


def _unescaped(text: bytes) -> bytes:
    """What a text of JSON means."""
    try:
        return str(json.loads(b'"%b"' % text)).encode("utf-8", "surrogatepass")
    except ValueError:
        return text
