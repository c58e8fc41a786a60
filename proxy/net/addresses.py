"""Addresses to listen on, as they are written."""

from ipaddress import ip_address
from typing import Final

LOOPBACK: Final = "127.0.0.1"
"""Where a port without a host listens: what nobody asked to be reachable from elsewhere is not."""


def split_listen(address: str) -> tuple[str, int]:
    """Host and port of what passes ``config/addresses.listen_fault``; no host: every address.

    ``"[::1]:8080"`` is ``("::1", 8080)``, ``":8080"`` is ``("", 8080)``, and a port alone is on
    loopback.
    """
    if address.isdecimal():
        return LOOPBACK, int(address)
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def is_local(listen: str) -> bool:
    """Whether only this machine reaches what listens there."""
    if listen.startswith("unix:"):
        return True
    host = split_listen(listen)[0].lower().removesuffix(".")
    return host == "localhost" or (is_ip(host) and ip_address(host).is_loopback)


def is_everywhere(listen: str) -> bool:
    """Whether all addresses of this machine are listened on."""
    if listen.startswith("unix:"):
        return False
    host = split_listen(listen)[0]
    return not host or (is_ip(host) and ip_address(host).is_unspecified)


def is_ip(host: str) -> bool:
    """Whether it is an address, without brackets; if not, it is a name that is looked up."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
