"""Hosts as requests name them."""

import re
from ipaddress import AddressValueError, IPv6Address
from typing import Final

# RFC 3986 3.2.2, less the comma (two Hosts joined into one) and a dot in front (no name at all).
_HOST: Final = re.compile(
    rb"(?:\[([0-9A-Fa-f:.]{2,45})\]|(?!\.)(?:[A-Za-z0-9._~!$&'()*+;=-]|%[0-9A-Fa-f]{2})+)"
    rb"(?::([0-9]{0,5}))?"
)
_LARGEST_PORT: Final = 65535


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
    """The name in ``host[:port]``: lower-case, without the port and the root's dot."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower().removesuffix(".")
