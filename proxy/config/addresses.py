"""Addresses in a configuration: what is wrong with one, as a sentence, or nothing."""

import ipaddress
import re
from typing import Final

_URL: Final = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL
)
_AUTHORITY: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::([^:]*))?")
# Underscores are no part of a DNS host name, but of names that Docker and Kubernetes give out.
_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?")
_UNIX_PATH_MAX: Final = 107  # sun_path on Linux is 108 bytes with its final NUL


def server_fault(url: str) -> str:
    """The URL of an upstream's server."""
    if url.startswith("unix:"):
        return _unix_fault(url)
    found = _URL.fullmatch(url)
    if not found or found[1] not in ("http", "https"):
        near = "" if found or authority_fault(url) else f", did you mean 'http://{url}'?"
        return (
            f'expected "http://HOST:PORT", "https://HOST:PORT" or "unix:/path", got {url!r}{near}'
        )
    _, authority, path, query, fragment = found.groups()
    if "@" in authority:
        return "a user and a password do not belong into the URL; see [upstreams.credentials]"
    if query or fragment:
        return f"a query or a fragment does not belong into the URL of a server, got {url!r}"
    if path not in ("", "/"):
        return f"a path does not belong here; write add_prefix = {path!r} in the routes instead"
    return authority_fault(authority)


def listen_fault(address: str) -> str:
    """An address to listen on; port 0 lets the system choose one."""
    if address.startswith("unix:"):
        return _unix_fault(address)
    if address.count(":") > 1 and not address.startswith("["):
        return f'an IPv6 address stands in brackets, as in "[::1]:8080", got {address!r}'
    host, colon, _ = address.rpartition(":")
    if not colon or (address.startswith("[") and address.endswith("]")):
        return f'expected "HOST:PORT", "[::1]:PORT" or "unix:/path", got {address!r}'
    if not host:
        return f'name the host: "0.0.0.0{address}" or "[::]{address}" listens on every address'
    return authority_fault(address, lowest=0)


def authority_fault(authority: str, lowest: int = 1) -> str:
    """``HOST`` or ``HOST:PORT``."""
    found = _AUTHORITY.fullmatch(authority)
    if not found:
        return f"not a host and a port: {authority!r}"
    host, port = found.groups()
    if port is not None and not (
        port.isascii() and port.isdigit() and len(port) <= 5 and lowest <= int(port) <= 65535
    ):
        return f"expected a port from {lowest} to 65535, got {port!r}"
    return host_fault(host)


def host_fault(host: str) -> str:
    """A name, an IPv4 address, or an IPv6 address in brackets."""
    if not host:
        return "the host is missing"
    if not host.isascii():
        return f"write the host in its ASCII form (xn--...), got {host!r}"
    try:
        if host.startswith("["):
            if "%" in host:
                return f"an IPv6 address with a zone is not supported, got {host!r}"
            ipaddress.IPv6Address(host[1:-1])
            return ""
        if re.fullmatch(r"[0-9.]+", host):
            ipaddress.IPv4Address(host)
            return ""
    except ValueError:
        return f"not an IP address: {host!r}"
    labels = host.removesuffix(".").split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return f"not a host name: {host!r}"
    return ""


def pattern_fault(host: str) -> str:
    """The ``host`` of a route: a host, or ``*.`` and a name."""
    if not host:
        return ""
    if host == "*":
        return 'leave host out to match every host, or write "*.example.com"'
    name = host.removeprefix("*.")
    fault = host_fault(name)
    if fault and not authority_fault(name):
        return f"hosts are compared without their port, got {host!r}"
    return fault


def network_fault(network: str) -> str:
    """A CIDR, an address, or ``unix`` for clients on unix sockets."""
    if network == "unix":
        return ""
    try:
        ipaddress.ip_network(network)
    except ValueError:
        try:
            meant = ipaddress.ip_network(network, strict=False)
        except ValueError:
            return f'expected a CIDR such as "10.0.0.0/8", an address or "unix", got {network!r}'
        return f"{network!r} has bits set outside of its mask, did you mean '{meant}'?"
    return ""


def _unix_fault(address: str) -> str:
    path = address.removeprefix("unix:")
    if not path.startswith("/") or "\0" in path:
        return f'expected "unix:/path" with an absolute path, got {address!r}'
    if len(path.encode(errors="surrogateescape")) > _UNIX_PATH_MAX:
        return f"a socket's path has at most {_UNIX_PATH_MAX} bytes, got {address!r}"
    return ""
