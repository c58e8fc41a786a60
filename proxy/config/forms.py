"""Options that are text of a certain form: what is expected, in words, and what was meant.

In the declarations a form is a regular expression, which no message shows.
"""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from proxy.config.hints import is_never, word
from proxy.config.similar import plain
from proxy.config.wrong_units import meant, size_unit, unit
from proxy.core import cache_options, request_key, stream_options
from proxy.core.duration import Duration
from proxy.core.findings import is_token
from proxy.core.options import MODE
from proxy.core.size import Size
from proxy.middleware import cors
from proxy.middleware.commit import MOST_HELD
from proxy.middleware.hedge import options as hedge
from proxy.middleware.retry import options as retry
from proxy.upstream import health

_PLAIN: Final = re.compile("[a-z_-]+|[0-9]xx")
"""A word that may be written as it stands."""


class Form(NamedTuple):
    """What a regular expression stands for."""

    expected: str
    words: tuple[str, ...] = ()
    """What may be written as it stands."""
    hint: Callable[[Any], str] = lambda _: ""
    """The end of a sentence about a value that has another form."""


def expected(pattern: str) -> str:
    """What belongs behind ``expected``."""
    if form := FORMS.get(pattern):
        return form.expected
    words = pattern.strip("^$()").split("|")
    return f"one of {', '.join(words)}" if all(map(_PLAIN.fullmatch, words)) else "another form"


def hint(pattern: str, raw: Any) -> str:
    """The end of a sentence that says what was meant, or nothing."""
    form = FORMS.get(pattern)
    if form is None:
        return word(raw, filter(_PLAIN.fullmatch, pattern.strip("^$()").split("|")))
    return form.hint(raw) or word(str(raw).strip(), form.words)


_ADDRESS: Final = re.compile(
    r"(?:header:\s*|\$http_)?(?:x[-_]forwarded[-_]for|x[-_]real[-_]ip|forwarded)"
    r"|\$(?:proxy_add_x_forwarded_for|realip_remote_addr|(?:binary_)?remote_addr)",
    re.IGNORECASE,
)
"""The address of a client, as a field that a front sends or as nginx has it."""
_BELIEVED: Final = "; [server] trusted_proxies says whose X-Forwarded-For is believed"


def _key(raw: Any) -> str:
    text = str(raw).strip()
    if _ADDRESS.fullmatch(text):
        return meant("'client_addr'") + _BELIEVED
    if near := word(text, ("path", "route", "client_addr")):
        return near
    kind, _, name = text.partition(":")
    kind, name = kind.strip().lower(), name.strip()
    if kind in ("header", "cookie") and is_token(name):
        return meant(f"'{kind}:{name}'")
    if kind in ("header", "cookie") and not name:
        return f", NAME is missing, as in '{kind}:X-Tenant'"
    if nginx := re.fullmatch(r"\$(http|cookie)_(\w+)", text):
        kind = "header" if nginx[1] == "http" else "cookie"
        name = nginx[2].replace("_", "-").title() if kind == "header" else nginx[2]
        return meant(f"'{kind}:{name}'")
    if is_token(text) and ("-" in text or text[:1].isupper()):
        return meant(f"'header:{text}'")
    return ""


def _hedge_delay(raw: Any) -> str:
    if is_never(raw):
        return ", hedge = false switches it off"
    text = str(raw).strip().lower()
    found = re.fullmatch(r"(p_?|0(?=\.))?([0-9]{0,2}(?:\.[0-9]+)?)\s*(?:%|th)?", text)
    if found and found[2] and isinstance(raw, str):
        share = float(found[2]) * (100 if found[1] == "0" else 1)
        quantile = f"p{share:.10g}"
        return meant(f"'{quantile}'") if re.search(hedge.PATTERN, quantile) else ""
    if type(raw) in (int, float) and 10 <= raw < 100 and re.search(hedge.PATTERN, f"p{raw:g}"):
        return meant(f'"p{raw:g}"')
    return unit(Duration, raw)


def _commit(raw: Any) -> str:
    text = str(raw).strip()
    kind, _, amount = text.lower().rpartition(":")
    if kind in ("", "body") and re.fullmatch("0+[a-z]*", amount):
        return meant("'headers'")
    if near := size_unit(amount or text):
        return _held(near.split('"')[1])
    if text.lower().rstrip(":") in ("body", "full", "whole", "all"):
        return meant("'body:64KiB'")
    return ""


def _held(size: str) -> str:
    found = f"body:{size}"
    if re.search(stream_options.PATTERN, found) and Size.parse(size) <= MOST_HELD:
        return meant(f"'{found}'")
    return f", all replies that are held have {Size(MOST_HELD)} together"


def _mode(raw: Any) -> str:
    """Permissions: TOML has 0o660 for an octal number, and 660 is meant as one."""
    text = str(raw).strip()
    if isinstance(raw, int) and not isinstance(raw, bool):
        # As it was typed, if somebody may want that: 432 is what 0o660 becomes.
        likely = [each for each in (text, f"{raw:o}") if re.fullmatch("[67][0-7]{2}", each)]
        return meant(f'"0{likely[0]}"') if likely else ""
    if found := re.fullmatch(r"0?o?0*([0-7]{3})", text):
        return meant(f'"0{found[1]}"')
    if letters := re.fullmatch(r"[s-]?((?:[r-][w-][x-]){3})", text):
        bits = "".join("0" if each == "-" else "1" for each in letters[1])
        return meant(f'"0{int(bits, 2):03o}"')
    return ""


def _path(raw: Any) -> str:
    text = str(raw).strip()
    if "://" in text:
        text = text.partition("://")[2].partition("/")[2]
    return meant(f"'/{text.lstrip('/')}'") if text else ""


_CAUSES: Final = {
    "gatewayerror": ', did you mean "502", "503" and "504"?',
    "retriable4xx": meant("'409'"),
    "nonidempotent": ", methods and idempotency_header say what may be sent again",
}
"""Causes of Envoy and nginx."""


def _status(raw: Any) -> str:
    if near := _CAUSES.get(plain(str(raw))):
        return near
    status = re.fullmatch(r"http[_-]?([45][0-9]{2})", str(raw).strip().lower())
    return meant(f"'{status[1]}'") if status else ""


def _origin(raw: Any) -> str:
    if not isinstance(raw, str):
        return ""
    text = raw.strip().lower()
    scheme, mark, rest = text.partition("://")
    if text == "null":
        return ', any page can have that origin, and "*" is any'
    host = (rest if mark else text).partition("/")[0]
    if "*" in host.removeprefix("*."):
        if host.strip("*") in ("", "."):
            return ', "*" alone is any origin'
        return ", a star stands for the first part of a name only"
    local = re.match(r"localhost\b|[0-9.]+(?::|$)|\[", host)
    found = f"{scheme if mark else 'http' if local else 'https'}://{host}"
    return meant(f'"{found}"') if re.search(cors.ORIGIN, found) else ""


def _field(raw: Any) -> str:
    found = re.sub(r"\s+", "-", str(raw).strip().rstrip(":").rstrip())
    return meant(f'"{found}"') if is_token(found) else ""


FORMS: Final = {
    request_key.PATTERN: Form(
        "one of path, route, client_addr, header:NAME, cookie:NAME",
        ("path", "route", "client_addr"),
        _key,
    ),
    hedge.PATTERN: Form(
        'a quantile from "p10" to "p99.9", or a time such as "500ms"', (), _hedge_delay
    ),
    stream_options.PATTERN: Form(
        "one of auto, headers, first_chunk, body:64KiB or another size",
        ("auto", "headers", "first_chunk"),
        _commit,
    ),
    retry.PATTERN: Form(
        f"one of {', '.join(retry.CAUSES)}, a status such as 503, 5xx",
        (*retry.CAUSES, "5xx"),
        _status,
    ),
    cache_options.STORE: Form("one of memory:, sqlite:PATH, redis://HOST:PORT/NUMBER"),
    cache_options.TARGET: Form("the name of a field such as CDN-Cache-Control", (), _field),
    cors.ORIGIN: Form(
        'an origin such as "https://app.example.com", "https://*.example.com" or "*"', (), _origin
    ),
    MODE: Form("a mode in octal such as 0660", (), _mode),
    health.PATTERN: Form("a path that begins with a slash", (), _path),
}
