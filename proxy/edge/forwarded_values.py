"""What the parameters of Forwarded may hold (RFC 7239 5 and 6).

A quoted string may hold anything, and ``x;for=192.0.2.1`` is even a host by RFC 3986 3.2.2. No name
looks like that, and whoever looks for ";" first takes its end for another parameter: what holds a
delimiter is not said in Forwarded, nor passed on.
"""

import re
from collections.abc import Callable
from typing import Final

from proxy.http.authority import valid_host
from proxy.http.forwarded import Element, encode_element

_SCHEME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*+")
_NODE: Final = re.compile(rb"[A-Za-z0-9._:%\[\]-]++")
"""The characters of addresses, ports and obfuscated names; what they name is for others to say."""


_DELIMITERS: Final = re.compile(rb"[!$&'()*+;=]")


def told_host(value: bytes) -> bytes:
    """The host as Forwarded may say it; empty where it is none, or no name that anybody has."""
    return value if valid_host(value) and not _DELIMITERS.search(value) else b""


def told_scheme(value: bytes) -> bytes:
    """The name of a scheme (RFC 3986 3.1); empty where it is none."""
    return value if _SCHEME.fullmatch(value) else b""


def _told_node(value: bytes) -> bytes:
    return value if _NODE.fullmatch(value) else b""


_TOLD: Final[dict[bytes, Callable[[bytes], bytes]]] = {
    b"for": lambda value: _told_node(value) or b"unknown",
    b"by": _told_node,
    b"host": told_host,
    b"proto": told_scheme,
}


def valid_values(value: bytes, told: list[Element]) -> tuple[bytes, list[Element]]:
    """One line and its elements without what is no host, no scheme and no node.

    The line stays as it came where all is right. Of a node that is none ``unknown`` is left.
    """
    valid = [_valid(element) for element in told]
    if valid == told:
        return value, told
    lines = [line for element in valid if (line := encode_element(element.items()))]
    return b", ".join(lines), valid


def _valid(element: Element) -> Element:
    return {
        name: told
        for name, value in element.items()
        if (told := _TOLD[name](value) if name in _TOLD else value)
    }
