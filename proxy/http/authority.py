"""Hosts as requests name them."""

import contextlib
import re
from ipaddress import AddressValueError, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

# RFC 3986 3.2.2, less the comma (two Hosts joined into one) and a dot in front (no name at all).
_HOST: Final = re.compile(
    rb"(?:\[([0-9A-Fa-f:.]{2,45})\]|(?!\.)(?:[A-Za-z0-9._~!$&'()*+;=-]|%[0-9A-Fa-f]{2})+)"
    rb"(?::([0-9]{0,5}))?"
)
WILDCARD: Final = "*."
"""Begins a pattern of hosts: every name below the one that follows."""

_LARGEST_PORT: Final = 65535
DEFAULT_PORTS: Final = {b"http": b":80", b"https": b":443"}


def valid_host(value: bytes) -> bool:
    """Whether this is ``host[:port]`` and nothing else (RFC 9110 7.2). Empty is not."""
    found = _HOST.fullmatch(value)
    if found is None:
        return False
    literal, port = found.groups()
    if literal is not None:
        try:
            IPv6Address(literal.decode("ascii"))
        except AddressValueError:
            return False
    return not port or int(port) <= _LARGEST_PORT


def hostname(host: str) -> str:
    """The name in ``host[:port]``: lower-case, without the port and the root's dot.

    An IPv6 address is written in one way of the many (RFC 5952).
    """
    if host.startswith("["):
        literal = host[1:].partition("]")[0]
        with contextlib.suppress(AddressValueError):
            literal = str(IPv6Address(literal))
        return f"[{literal.lower()}]"
    return host.partition(":")[0].lower().removesuffix(".")


def network(cidr: str) -> IPv4Network | IPv6Network:
    """The addresses of a CIDR; IPv4 where it is written as IPv6 (``::ffff:10.0.0.0/104``).

    Peers that come so over IPv6 are known by their IPv4 address. Raises ValueError.
    """
    found = ip_network(cidr)
    mapped = found.network_address.ipv4_mapped if isinstance(found, IPv6Network) else None
    return found if mapped is None else IPv4Network((mapped, found.prefixlen - 96))


def comparable(scheme: bytes, authority: bytes) -> bytes:
    """An authority in lower case, without the default port of its scheme (RFC 9110 4.2.3).

    Without a scheme it is taken for one of http.
    """
    return authority.lower().removesuffix(DEFAULT_PORTS.get(scheme, b":80"))


def host_pattern(text: str) -> str:
    """A host from the configuration, or such a pattern, as ``hostname`` would have it.

    Raises ValueError with a sentence for the operator.
    """
    if not text:
        return ""
    name = text.removeprefix(WILDCARD)
    if not name.isascii() or not valid_host(name.encode()) or "*" in name:
        raise ValueError(f'host must be a name or "*." and a name, got {text!r}')
    return text[: -len(name)] + hostname(name)
