"""URLs in a configuration: what is wrong with one, as a sentence, or nothing."""

import re
from typing import Final

from proxy.config.addresses import authority_fault, bracketed, unix_fault
from proxy.config.unexpanded import as_reference
from proxy.net.addresses import LOOPBACK

_URL: Final = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL
)
_UNIX: Final = re.compile(
    r"(?:(?:https?|http\+unix)://)?unix:(/[^:?#]*)(?::.*)?", re.IGNORECASE | re.DOTALL
)
"""A socket as nginx writes it, perhaps with a path of HTTP behind a colon."""
_BEHIND: Final = re.compile(r"unix:/[^:]*:(?:/.*)?", re.DOTALL)
"""The same without http://; a colon within a name may be its own."""
_UNIX_SLASH: Final = re.compile(r"unix:?/+(.+)", re.IGNORECASE)
_OPTION: Final = re.compile(r"[a-z_]+=[\w.]+|backup|check|down|drain|resolve")
"""What nginx writes behind the address of a server."""
_SIGNAL: Final = re.compile(r"(https?://[^/].*?)(/+v1/(?:traces|metrics|logs)/*)")
"""The whole URL of one signal, as in OTEL_EXPORTER_OTLP_TRACES_ENDPOINT."""
_SIGNALS: Final = re.compile(r"/*(?:v1/(?:traces|metrics|logs)/*)?$")


def server_fault(url: str) -> str:
    """The URL of an upstream's server."""
    if _BEHIND.fullmatch(url):
        return f'expected "unix:/path", got {url!r}{_server_meant(url)}'
    if url.startswith("unix:"):
        return unix_fault(url)
    if "@" in url.partition("?")[0]:  # not repeated: it may hold a password
        return "a user and a password do not belong in the URL; see [upstreams.credentials]"
    if re.search(r"[,\s]+https?://", url):
        return 'several servers are several strings in the list: ["URL", "URL"]'
    if "?" not in url and (reference := as_reference(url)):  # a query may hold a key
        return f'the environment is read by "${{NAME}}", got {url!r}, did you mean "{reference}"?'
    first, *rest = url.split() or [""]
    if rest and "?" not in url and all(_OPTION.fullmatch(each) for each in rest):
        return _with_options(first, rest)
    found = _URL.fullmatch(url)
    if not found or found[1] not in ("http", "https"):
        if "?" in url:
            return 'expected "http://HOST:PORT", without a query'
        return (
            'expected "http://HOST:PORT", "https://HOST:PORT" or "unix:/path", '
            f"got {url!r}{_server_meant(url)}"
        )
    _, authority, path, query, fragment = found.groups()
    if query or fragment:  # not repeated: a query may hold a key
        return "a query or a fragment does not belong in the URL of a server"
    if authority == "unix:":
        return f'expected "unix:/path", got {url!r}{_server_meant(url)}'
    if path not in ("", "/"):
        return f"a path does not belong here; write add_prefix = {path!r} in the routes instead"
    return authority_fault(authority)


def _with_options(url: str, options: list[str]) -> str:
    """A server as nginx writes it, ``10.0.0.1:9000 weight=3``."""
    meant = _nearest(url) if server_fault(url) else url
    if not meant:
        return f"expected nothing behind the URL, got {' '.join(options)!r}"
    kept = [each.replace("=", " = ") for each in options if each.startswith("weight=")]
    kept += ["backup = true"] * ("backup" in options)
    if not kept:
        return f"expected nothing behind the URL, did you mean {meant!r}?"
    shown = ", ".join([f'url = "{meant}"', *kept])
    return f"options of a server stand in a table, did you mean {{ {shown} }}?"


def token_url_fault(url: str) -> str:
    """The URL of a token server; a query may stand there (RFC 6749 3.2)."""
    if "@" in url.partition("?")[0]:  # not repeated: it may hold a password
        return "a user and a password do not belong in the URL; see client_id, client_secret_file"
    found = _URL.fullmatch(url)
    if not found or found[1] not in ("http", "https") or not url.isascii() or " " in url:
        return f'expected "https://HOST/PATH", got {url.partition("?")[0]!r}'
    if found[5]:
        return "a fragment does not belong in the URL of a token server (RFC 6749 3.2)"
    return authority_fault(found[2])


def collector_fault(url: str) -> str:
    """The address of a collector of spans; their path is put behind it."""
    if "@" in url:  # not repeated: it may hold a password
        return "a user and a password do not belong in the URL"
    found = _URL.fullmatch(url)
    if not found or found[1] not in ("http", "https") or not url.isascii() or " " in url:
        bare = _SIGNALS.sub("", url.partition("://")[2] or url)
        near = "" if {"?", "#", "/"} & set(bare) else _GRPC.sub(":4318", _server_meant(url))
        return f'expected "http://HOST:4318", got {url!r}{near}'
    if "?" in url or "#" in url:
        return "neither a query nor a fragment belongs in the address of a collector"
    return authority_fault(found[2])


_GRPC: Final = re.compile(r":4317(?![0-9])")


def collector_doubt(url: str) -> str:
    """What no collector answers: OTLP itself has the rest of the path."""
    if collector_fault(url):  # which says what is meant
        return ""
    if _GRPC.search(url):
        meant = _GRPC.sub(":4318", url)
        return f"port 4317 is that of OTLP over gRPC, did you mean {meant!r}?"
    found = _SIGNAL.fullmatch(url)
    if not found:
        return ""
    where = f"{found[2].rstrip('/')}/v1/traces"
    return f"/v1/traces is put behind it, so spans go to {where}, did you mean {found[1]!r}?"


def _server_meant(url: str) -> str:
    near = _nearest(url)
    return f", did you mean {near!r}?" if near else ""


def _nearest(url: str) -> str:
    """The URL that somebody means who writes an address, a port or another scheme."""
    if found := _UNIX.fullmatch(url.strip()):
        return f"unix:{found[1]}"
    if found := _UNIX_SLASH.fullmatch(url.strip()):
        return f"unix:/{found[1]}"
    text = re.sub(
        r"^(https?)(?::/?/?|/+)(?=[A-Za-z\[])", r"\1://", url.strip(), flags=re.IGNORECASE
    )
    if text.startswith("/") and not text.startswith("//"):
        return f"unix:{text}"
    if found := _URL.fullmatch(text):
        encrypted = found[1].lower() in ("https", "wss", "grpcs")
        rest = found[2]
    else:
        rest = text.removeprefix("//").partition("/")[0]
        if rest.startswith(":") or rest.isdecimal():
            rest = f"{LOOPBACK}:{rest.removeprefix(':')}"
        if rest.count(":") > 1 and not rest.startswith("["):
            rest = bracketed(rest)
        public = "." in rest and ":" not in rest and not re.fullmatch(r"[0-9.]+", rest)
        encrypted = public or rest.endswith(":443")
    return "" if authority_fault(rest) else f"{'https' if encrypted else 'http'}://{rest}"
