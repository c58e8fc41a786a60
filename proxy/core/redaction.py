"""What is never shown: credentials that a client sent, and secrets of the configuration.

Whatever becomes text for people passes here: lines on standard error, details of answers, problems
of a configuration, start errors, targets in the access log, keys on the admin listener.
"""

import json
import re
import secrets
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial
from hashlib import blake2b
from itertools import chain, islice
from typing import Final
from urllib.parse import quote, quote_plus
from weakref import WeakValueDictionary

from proxy.core.keys_shown import hide_keys
from proxy.core.secret_parameters import PARAMETERS, plain_name, underlined
from proxy.http.fields import DASHED, RawHeaders

HIDDEN: Final = "***"
SECRETS: Final = "secrets_of_the_request"
"""Key of a log record's ``extra`` under which its writer names what must not be shown."""
CREDENTIALS: Final = frozenset(
    b"""authorization proxy-authorization cookie x-api-key api-key apikey x-goog-api-key
    x-auth-token x-access-token x-amz-security-token ocp-apim-subscription-key private-token
    x-gitlab-token x-vault-token x-functions-key authentication
    xi-api-key dd-api-key dd-application-key x-auth-key x-rapidapi-key x-shopify-access-token
    x-figma-token x-plex-token circle-token x-api-token api-token x-auth-secret x-api-secret
    x-secret-key x-access-key x-session-token x-amz-sso_bearer_token x-goog-iap-jwt-assertion
    cf-access-client-secret cf-access-jwt-assertion cf-access-token x-forwarded-access-token
    x-parse-rest-api-key x-honeycomb-team x-ms-token-aad-access-token x-subscription-token
    openai-api-key anthropic-api-key x-client-secret x-jwt-assertion""".split()
)
"""Fields of a request in which a client says who it is."""
_NAMED: Final = re.compile(r"([?&;#])([^?&;=\s'\"#]{1,99})=([^&\s'\"#]++)")
"""One of any name, wherever it stands and however it is escaped; in its value others may begin."""
_OTHERS: Final = re.compile(r"([?;])")

_PARTS: Final = 100
"""Of the credentials of one request that are looked for; each costs a search."""
_SHORTEST: Final = 6
"""Letters of a secret that is looked for in texts; shorter ones stand in every other word."""


def _names(names: Iterable[bytes]) -> str:
    return "|".join(sorted(re.escape(name.decode("latin-1")) for name in names))


def _rules(
    fields: Iterable[bytes], parameters: Iterable[bytes]
) -> list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]]:
    """What is replaced in a text, and by what. All are linear: peers write some of these texts."""
    known = frozenset(map(underlined, parameters))
    return [
        # a field and its value, as a line, a tuple or a dict
        (
            re.compile(
                rf"(?i)(?<![\w-])((?:{_names(fields)})b?['\"]?\s{{0,9}}[:=,]\s{{0,9}}b?)"
                r"(?:(['\"])(?:(?!\2)[^\\\n]|\\.)+|[^'\"\n][^\n'\"]*(?:['\"][^\n,}\])]+)*)"
            ),
            r"\1\2***",
        ),
        (_NAMED, partial(_parameter, known)),
        # a scheme of RFC 9110 11.4 with its credentials
        (
            re.compile(
                r"(?i)\b(bearer|basic|digest|negotiate|ntlm|apikey|aws4-hmac-sha256)"
                r"([ \t]+)[^\s'\",]{6,}"
            ),
            r"\1\2***",
        ),
        # aiohttp quotes the line that was too long, and draws a picture of what it did not like
        (re.compile(r"( when reading): b?['\"].*"), r"\1 a line"),
        (re.compile(r":\n\n +b?['\"][^\n]*(?:\n +\^)?"), ""),
    ]


def _parameter(known: frozenset[bytes], found: re.Match[str]) -> str:
    at = 1
    for part in _OTHERS.split(found[0][1:]):
        name, sign, _ = part.partition("=")
        begins = at + len(name) + 1
        if sign and begins < len(found[0]) and _is_known(name, known):
            return found[0][:begins] + HIDDEN  # "?" and ";" may stand in a secret
        at += len(part)
    return found[0]


def _is_known(name: str, known: frozenset[bytes]) -> bool:
    return plain_name(name.encode("utf-8", "surrogatepass")) in known


_rules_now = _rules(CREDENTIALS | {b"set-cookie"}, PARAMETERS)
_more: set[bytes] = set()
_REPLACED: Final = 32
_GIVEN: Final = 256
"""Values of files and configurations that are still hidden though nobody holds them: late lines."""


class Rotating:
    """A secret that may be replaced: hidden while somebody holds this, and for a while after."""

    __slots__ = ("__weakref__", "writings")

    def __init__(self, value: bytes) -> None:
        self.writings = _writings(value)
        """The ways in which texts write it."""


_rotating: Final[WeakValueDictionary[bytes, Rotating]] = WeakValueDictionary()
_latest: Final[dict[bytes, Rotating]] = {}
_configured: Final[dict[bytes, Rotating]] = {}


def rotating(value: bytes) -> Rotating:
    """Know a secret from a file that changes.

    No text shows it while somebody holds what is returned, nor until 32 others have come.
    """
    return _known(value, _latest, _REPLACED)


def configured(value: bytes) -> Rotating:
    """The same of a secret that stands in the configuration, until 256 others have come."""
    return _known(value, _configured, _GIVEN)


def _known(value: bytes, among: dict[bytes, Rotating], most: int) -> Rotating:
    known = _rotating[value] = _rotating.get(value) or Rotating(value)
    among.pop(value, None)
    among[value] = known
    if len(among) > most:
        del among[next(iter(among))]
    return known


def _writings(value: bytes) -> set[str]:
    parts = {text := value.decode("latin-1"), text.rpartition(" ")[2]}
    return {way for part in parts if len(part) >= _SHORTEST for way in _written(part)}


def _written(text: str) -> set[str]:
    """The ways in which texts write it: as it is, decoded, and escaped by Python, JSON or a URL."""
    raw = text.encode("latin-1", "replace")
    plain = {text, raw.decode("utf-8", "replace")}
    found = {*plain, repr(raw)[2:-1], quote(raw, safe=""), quote_plus(raw)}
    for each in plain:
        found |= {repr(each)[1:-1], ascii(each)[1:-1], json.dumps(each)[1:-1]}
        found.add(json.dumps(each, ensure_ascii=False)[1:-1])
    return found


def writings(value: bytes) -> set[bytes]:
    """The same for bytes: as they are, and in all these ways."""
    ways = _written(value.decode("latin-1"))
    return {value, *(way.encode("utf-8", "surrogatepass") for way in ways)}


def redact(names: Sequence[str]) -> None:
    """Hide the values of these query parameters and fields too: ``[log] redact``."""
    global _rules_now, _more  # noqa: PLW0603 - one [log] for the process
    more = {name.lower().encode() for name in names}
    _more = {DASHED[name] for name in more}
    hide_keys(names)
    _rules_now = _rules(CREDENTIALS | {b"set-cookie"} | more, PARAMETERS | more)


def known_secrets() -> set[str]:
    """The secrets of the configuration, in all the ways in which texts write them."""
    # Of all references at once: a reload learns others meanwhile, in a thread of its own.
    held = [ref() for ref in _rotating.valuerefs()]
    return set().union(*(each.writings for each in held if each is not None))


def conceal(text: str, also: Iterable[str] = (), *, fields: bool = True) -> str:
    """A text without what must not be shown; ``also``: secrets of the moment.

    ``fields``: whether fields with their values may stand in it; ``cookie:NAME`` looks like one.
    """
    for secret in sorted({*known_secrets(), *also}, key=len, reverse=True):
        if secret in text:
            text = text.replace(secret, HIDDEN)
    if "://" in text:
        text = _WORD.sub(_url, text)
    for pattern, instead in _rules_now if fields else _rules_now[1:]:
        text = pattern.sub(instead, text)
    return text


_WORD: Final = re.compile(r"[^\s'\"]+")
_QUERY: Final = re.compile(r"[?#](?=.)")


def _url(found: re.Match[str]) -> str:
    """A URL without user and password (RFC 3986 3.2.1), with a slash in them too, and query."""
    scheme, mark, rest = found[0].partition("://")
    if "@" in rest:
        rest = f"{HIDDEN}@{rest.rpartition('@')[2]}"
    end = _QUERY.search(rest)
    return f"{scheme}{mark}{rest[: end.end()]}{HIDDEN}" if end else f"{scheme}{mark}{rest}"


def sent(fields: RawHeaders) -> list[str]:
    """The credentials among the fields of a request, whole and in their parts; and what
    ``[log] redact`` names.

    Of too many, parts are left out first, those of cookies before all others.
    """
    whole: list[str] = []
    cookies: list[str] = []
    parts: list[str] = []
    for name, value in fields:
        low = name.lower()
        if low == b"cookie":
            cookies.append(value.decode("latin-1"))
        elif low in CREDENTIALS:
            text = value.decode("latin-1")
            whole.append(text)
            if low in _SCHEMED and (scheme := _SCHEME.match(text)):
                whole.append(text := text[scheme.end() :])
            parts += _SPLIT.split(text)
        elif DASHED[name] in _more:
            whole.append(value.decode("latin-1"))
    crumbs = (part for text in cookies for part in _SPLIT.split(text))
    found = chain(whole, cookies, parts, crumbs)
    parts = list(islice((part for part in found if len(part) >= _SHORTEST), _PARTS))
    odd = [part for part in parts if not _PLAIN.fullmatch(part)]
    return [*parts, *(way for part in odd for way in _written(part) if way != part)]


def digest(*parts: bytes) -> bytes:
    """16 bytes that stand for ``parts``: what is kept of credentials, and of long keys."""
    made = blake2b(digest_size=16, key=_key)
    for part in parts:
        made.update(b"%d:%b" % (len(part), part))
    return made.digest()


_SCHEMED: Final = frozenset({b"authorization", b"proxy-authorization"})
_SCHEME: Final = re.compile(
    r"(?i)(?:basic|bearer|concealed|digest|dpop|gnap|hawk|hoba|mutual|negotiate|oauth|privatetoken"
    r"|scram-sha-(?:1|256)|vapid|ntlm|token|api-?key|aws4-[a-z0-9-]{1,32}|jwt|mac|sharedkey"
    r"|sharedkeylite|sharedaccesssignature|signature|key|aws|goog4-[a-z0-9-]{1,32}"
    r"|genie-?key|splunk|ssws) +(?=\S)"
)
"""How the credentials behind it are shown (RFC 9110 11.4): no secret, and a word of our texts.

Those that IANA has registered, and usual ones. Any other word may be a part of a secret.
"""
_SPLIT: Final = re.compile(r"[\s;,=\"]+")
_PLAIN: Final = re.compile(r"[!#$&(-\[\]-~ ]*")
"""Text that Python, JSON and logs write as it is."""
_key: Final = secrets.token_bytes(16)
"""Made anew in each process, so that nobody can look for the value behind a hash."""


def hashed(key: Hashable) -> str:
    """A short name for a key that may be a credential; empty for none."""
    if not key:
        return ""
    raw = key if isinstance(key, bytes) else str(key).encode("utf-8", "surrogatepass")
    return f"#{digest(raw).hex()[:12]}"


def readable(key: Hashable) -> str:
    """A key that tells nobody's secrets."""
    if key is None:
        return ""
    if isinstance(key, bytes):
        # A long key is kept as its digest behind a NUL, see ``core/request_key``.
        return hashed(key) if key.startswith(b"\0") else key.decode("latin-1")
    return str(key)


_HARMLESS: Final = frozenset({"client_addr", "path", "route"})


def shown(key: str, harmless: Iterable[str]) -> Callable[[Hashable], str]:
    """How keys of this kind are shown to operators.

    ``key``: as options spell it, ``client_addr`` or ``header:NAME``; ``harmless``: the kinds whose
    values may be shown.
    """
    known = {_kind(each) for each in harmless}
    return readable if key in _HARMLESS or _kind(key) in known else hashed


def _kind(key: str) -> str:
    """Names of fields have no case, those of cookies have."""
    return key.lower() if key.startswith("header:") else key
