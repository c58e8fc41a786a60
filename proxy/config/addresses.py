"""Addresses in a configuration: what is wrong with one, as a sentence, or nothing."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, Final

from proxy.config.unexpanded import as_reference
from proxy.net.addresses import LOOPBACK, split_listen

_AUTHORITY: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::([^:]*))?")
# Underscores are no part of a DNS host name, but of names that Docker and Kubernetes give out.
_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?")
LISTENS: Final = {"server": ("listen",), "admin": ("listen", "probes")}
"""Options that hold addresses to listen on; a port may stand there as a number."""

_UNIX_PATH_MAX: Final = 107  # sun_path on Linux is 108 bytes with its final NUL


def clash(address: str, other: str) -> bool:
    """Whether two addresses to listen on cannot both be had."""
    if address.startswith("unix:") or other.startswith("unix:"):
        return address == other
    try:
        (host, port), (host2, port2) = split_listen(address), split_listen(other)
    except ValueError:
        return False
    if port != port2 or not port:
        return False
    # IPv4 and IPv6 have ports of their own, and a listener without a host has both.
    every = {"": "46", "0.0.0.0": "4", "::": "6"}
    families = [every.get(each) or ("6" if ":" in each else "4") for each in (host, host2)]
    wide = host in every or host2 in every
    return host == host2 or (wide and bool(set(families[0]) & set(families[1])))


def ports_as_text(tree: dict[str, Any], meant: Mapping[str, str]) -> None:
    """``listen = 8080`` is ``listen = "8080"``; changes ``tree``.

    ``meant``: the tables of the top that stand under wrong names, by those names.
    """
    for name, options in tree.items():
        for option in LISTENS.get(meant.get(name, name), ()):
            value = options.get(option) if isinstance(options, dict) else None
            if isinstance(value, list):
                options[option] = [_port_as_text(each) for each in value]
            elif value is not None:
                options[option] = _port_as_text(value)


def _port_as_text(value: Any) -> Any:
    return str(value) if type(value) is int and value >= 0 else value


def listen_fault(address: str) -> str:
    """An address to listen on; port 0 lets the system choose one."""
    if address.startswith("unix:"):
        return unix_fault(address)
    if re.fullmatch(r":?[0-9]+", address):
        return authority_fault(f"{LOOPBACK}:{address.removeprefix(':')}", lowest=0)
    if reference := as_reference(address):
        return (
            f'the environment is read by "${{NAME}}", got {address!r}, did you mean "{reference}"?'
        )
    first, *rest = address.split() or [""]
    first = f":{first}" if rest and first.isdecimal() else first
    if rest and not listen_fault(first):
        why = "; [server.tls] is for TLS" if "ssl" in rest or "tls" in rest else ""
        return f"expected nothing behind the address, did you mean {first!r}?{why}"
    host, colon, _ = address.rpartition(":")
    near = _listen_meant(address)
    if near.startswith(", did you mean '["):
        return f'an IPv6 address stands in brackets, as in "[::1]:8080", got {address!r}{near}'
    wrong = not colon or (address.startswith("[") and address.endswith("]"))
    if wrong or "/" in address or address != address.strip() or host == "*":
        return f'expected "HOST:PORT", ":PORT", "[::1]:PORT" or "unix:/path", got {address!r}{near}'
    return authority_fault(address, lowest=0)


def _listen_meant(address: str) -> str:
    """The address that somebody means who writes a URL, a host alone, or a path."""
    text = address.strip()
    if text.startswith("/"):
        return f", did you mean 'unix:{text}'?"
    port = "8080"
    if "://" in text:
        scheme, _, text = text.partition("://")
        text = text.partition("/")[0]
        port = {"http": "80", "https": "443"}.get(scheme.lower(), port)
    text = text.partition("/")[0]
    if text.startswith("*:"):
        text = text[1:]
    if text.count(":") > 1 and not text.startswith("["):
        text = bracketed(text, port)
    elif (text.startswith("[") and text.endswith("]")) or (":" not in text and text):
        text = f"{text}:{port}"
    return (
        f", did you mean '{text}'?" if text and text != address and not listen_fault(text) else ""
    )


def bracketed(text: str, port: str = "80") -> str:
    """An IPv6 address as a host. "::1:80" may be one as a whole, but is hardly meant so."""
    host, _, behind = text.rpartition(":")
    for name, number in ((host, behind), (text, port)):
        try:
            ipaddress.IPv6Address(name)
        except ValueError:
            continue
        if number.isdecimal():
            return f"[{name}]:{number}"
    return text


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


def name_fault(authority: str) -> str:
    """A name that something is asked by, where a URL may have been written."""
    if "://" not in authority:
        return authority_fault(authority)
    name = authority.partition("://")[2].partition("/")[0]
    near = "" if authority_fault(name) else f", did you mean {name!r}?"
    return f"a name has neither scheme nor path, got {authority!r}{near}"


def pattern_fault(host: str) -> str:
    """The ``host`` of a route: a host, or ``*.`` and a name."""
    if not host:
        return ""
    if "://" in host or "/" in host:
        name = host.partition("://")[2] or host
        name = name.partition("/")[0].partition(":")[0]
        near = "" if host_fault(name.removeprefix("*.")) else f", did you mean {name!r}?"
        return f"a host has neither scheme nor path, got {host!r}{near}"
    if host.startswith(".") and not host_fault(host[1:]):
        return f"every name below is '*.NAME', got {host!r}, did you mean '*{host}'?"
    if host == "*":
        return 'leave host out to match every host, or write "*.example.com"'
    name = host.removeprefix("*.")
    fault = host_fault(name)
    names = [each for each in re.split(r"[,\s]+", host) if each]
    if fault and len(names) > 1 and not any(map(pattern_fault, names)):
        return f"write one [[routes]] for each host, got {host!r}"
    if fault and not authority_fault(name):
        bare = host.rpartition(":")[0]
        return f"hosts are compared without their port, got {host!r}, did you mean {bare!r}?"
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
            near = ""
            if "," in network or " " in network.strip():
                items = [part for part in re.split(r"[,\s]+", network) if part]
                near = ", did you mean [" + ", ".join(f'"{item}"' for item in items) + "]?"
            elif network.strip().lower() in ("*", "all", "any"):
                near = ', every address is "0.0.0.0/0" and "::/0"'
            elif network.lower().replace("-", "_") in (
                "private",
                "private_ranges",
                "private_networks",
            ):
                near = ', private are "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"'
            elif network.lower() == "localhost":
                near = ', did you mean "127.0.0.0/8"?'
            return (
                f'expected a CIDR such as "10.0.0.0/8", an address or "unix", got {network!r}{near}'
            )
        return f"{network!r} has bits set outside of its mask, did you mean '{meant}'?"
    return ""


def unix_fault(address: str) -> str:
    """The address of a unix socket."""
    path = address.removeprefix("unix:")
    if path.startswith(("@", "\0")):
        return (
            "abstract sockets are not supported: they have no file whose rights would say who may "
            f'connect; expected "unix:/path", got {address!r}'
        )
    if not path.startswith("/") or "\0" in path:
        near = f", did you mean 'unix:/{path.lstrip('./')}'?" if path.strip("./") else ""
        return f'expected "unix:/path" with an absolute path, got {address!r}{near}'
    if len(path.encode(errors="surrogateescape")) > _UNIX_PATH_MAX:
        return f"a socket's path has at most {_UNIX_PATH_MAX} bytes, got {address!r}"
    return ""
