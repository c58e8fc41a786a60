"""What is wrong, or doubtful, in `[upstreams.credentials]`. No message repeats a secret."""

import re
import ssl
from collections.abc import Iterator
from functools import partial
from typing import Final

from proxy.config import urls
from proxy.config import values as fields
from proxy.config.authorities import authorities_doubts
from proxy.config.problems import fault_of
from proxy.config.unexpanded import as_reference
from proxy.core import findings
from proxy.core.files import secret_content
from proxy.core.findings import Finding, Place
from proxy.net.pem import load_authorities
from proxy.upstream.credentials.options import (
    CredentialsOptions,
    CredentialsTables,
    OAuth2Options,
    credentials_field,
    each_of,
)

_SCHEMES: Final = frozenset({"bearer", "basic", "token", "digest", "apikey", "negotiate"})
_BASE64: Final = re.compile("[A-Za-z0-9+/_-]+={0,2}")
_CREDENTIALS: Final = ("authorization", "proxy-authorization", "x-api-key", "api-key")


def _placed(
    tables: CredentialsTables | None, place: Place
) -> Iterator[tuple[Place, CredentialsOptions]]:
    for number, options in enumerate(each_of(tables)):
        yield (place if isinstance(tables, CredentialsOptions) else (*place, number)), options


def credentials_problems(tables: CredentialsTables | None, place: Place) -> Iterator[Finding]:
    """Of one upstream's credentials, however they are written."""
    if tables == ():
        yield Finding(place, "expected at least one")
    names: set[str] = set()
    for where, options in _placed(tables, place):
        yield from _one(options, where)
        if len(each_of(tables)) > 1 and not options.name:
            yield Finding(where, "expected a name, by which logs tell these credentials apart")
        elif options.name and options.name in names:
            yield Finding((*where, "name"), f"{options.name!r} is taken by others of this upstream")
        names.add(options.name)


def _one(options: CredentialsOptions, place: Place) -> Iterator[Finding]:
    fault = findings.owned_fault(options.header)
    if ":" in options.header:
        fault = "the name alone stands in header, what stands behind its colon in value"
    yield from findings.one((*place, "header"), fault)
    given = [name for name in ("value", "value_file", "oauth2") if getattr(options, name)]
    if len(given) != 1:
        spare = "one" if len(given) == 2 else "two"
        got = f"{', '.join(given)}: leave {spare} out" if given else "none"
        yield Finding(place, f"expected one of value, value_file and oauth2, got {got}")
    elif options.oauth2 is not None:
        yield from _oauth2(options.oauth2, (*place, "oauth2"))
    elif options.value_file and (fault := fields.file_fault(options.value_file, secret=True)):
        yield Finding((*place, "value_file"), fault)
    elif not fields.is_pipe(options.value_file) and (
        fault := fault_of(partial(credentials_field, options))
    ):
        yield Finding((*place, given[0]), fault)


def _oauth2(options: OAuth2Options, place: Place) -> Iterator[Finding]:
    yield from findings.one((*place, "token_url"), urls.token_url_fault(options.token_url))
    if not options.client_id:
        yield Finding((*place, "client_id"), "expected what the token server calls this client")
    file = options.client_secret_file
    if fault := fields.file_fault(file, secret=True):
        yield Finding((*place, "client_secret_file"), fault)
    elif not fields.is_pipe(file) and not secret_content(file):
        yield Finding((*place, "client_secret_file"), "the secret is empty")
    if options.ca_file:
        if not (fault := fields.file_fault(options.ca_file)) and not fields.is_pipe(
            options.ca_file
        ):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            fault = fault_of(partial(load_authorities, context, options.ca_file, "ca_file"))
        if fault:
            yield Finding((*place, "ca_file"), fault)
        elif options.token_url.startswith("http:"):
            yield Finding((*place, "ca_file"), "only a token_url with https:// has a certificate")
        else:
            yield from authorities_doubts(options.ca_file, (*place, "ca_file"))


def credentials_doubts(tables: CredentialsTables | None, place: Place) -> Iterator[Finding]:
    """Values that cannot be meant."""
    for where, options in _placed(tables, place):
        if options.oauth2 is not None or fields.is_pipe(options.value_file):
            continue
        try:
            header, value = credentials_field(options)
        except (OSError, ValueError):  # a problem of its own
            continue
        name = "value_file" if options.value_file else "value"
        yield from findings.one(
            (*where, name), secret_fault(header.decode(), value.decode("latin-1"))
        )


def _is_base64(words: list[str]) -> bool:
    return len(words) == 1 and _BASE64.fullmatch(words[0]) is not None


def secret_fault(name: str, value: str) -> str:
    """Why a value cannot be the credentials that it should be. It is not repeated."""
    words = value.split()
    low = [word.lower() for word in words[:2]]
    if name.lower() in _CREDENTIALS:
        if low and low[0].rstrip(":") == name.lower():
            return f"the name {name} does not belong in the value"
        if len(words) == 1 and low[0].rstrip(":") in _SCHEMES:
            return "a scheme with nothing behind it: is the variable of the token empty?"
        if len(low) == 2 and low[0] == low[1] and low[0] in _SCHEMES:
            return f"{words[0]!r} stands there twice"
        if len(low) == 2 and low[0].rstrip(":") in _SCHEMES and low[0].endswith(":"):
            return "no colon stands behind a scheme"
        if not words:
            return "it is empty: is the variable?"
        if low[0] == "basic" and not _is_base64(words[1:]) and not as_reference(value):
            return "Basic has the base64 of USER:PASSWORD behind it"
    return ""
