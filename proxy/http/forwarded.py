"""The Forwarded field: elements of pairs, quoted or not, and what they may hold (RFC 7239).

A value is read by its grammar or not at all. What stands inside quotes is no parameter, a comma in
quotes ends no element, and where quotes do not close nobody can say what belongs to whom.

A quoted string may hold anything, and ``x;for=192.0.2.1`` is even a host by RFC 3986 3.2.2. No name
looks like that, and whoever looks for ";" first takes its end for another parameter: what holds a
delimiter is not said in Forwarded, nor passed on.
"""

import contextlib
import re
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from proxy.http.authority import valid_host
from proxy.http.fields import RawHeaders, values
from proxy.http.grammar import QUOTABLE, TCHAR, TOKEN, Malformed, members, quoted, shown, unquoted

Element: TypeAlias = dict[bytes, bytes]
"""Parameters by their lower-case name, values without their quotes."""

_PAIR: Final = re.compile(
    rb"""[ \t]*+
    (?: ([%b]++) = (?: ([:\[\]/%b]++) | "(%b)" ) )?
    [ \t]*+ ([,;]|\Z)"""
    % (TCHAR, TCHAR, QUOTABLE),
    re.VERBOSE,
)
"""One pair or none, and what ends it.

Unquoted values may hold ":", "[", "]" and "/", which no token may: many a proxy writes addresses
so, and nothing is delimited by them.
"""
_SCHEME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*+")
_NODE: Final = re.compile(rb"[A-Za-z0-9._:%\[\]-]++")
"""The characters of addresses, ports and obfuscated names; what they name is for others to say."""
_DELIMITERS: Final = re.compile(rb"[!$&'()*+;=]")


def elements(value: bytes) -> list[Element]:
    """The elements of one field line, the empty ones left out.

    Raises Malformed where it is not what the grammar says, a parameter that comes twice included.
    """
    found: list[Element] = []
    element: Element = {}
    at, end = 0, len(value)
    while at <= end:
        pair = _PAIR.match(value, at)
        if pair is None:
            raise Malformed(f"Forwarded {shown(value[at:])!r}")
        name, token, text, stop = pair.groups()
        if name is not None:
            name = name.lower()
            if name in element:
                raise Malformed(f"Forwarded: {shown(name)!r} twice")
            element[name] = unquoted(text) if token is None else token
        if stop != b";" and element:
            found.append(element)
            element = {}
        if not stop:
            break
        at = pair.end()
    return found


def encode_element(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """An element with these parameters; those without a value are left out."""
    return b";".join([b"%b=%b" % (name, _written(value)) for name, value in pairs if value])


def _written(value: bytes) -> bytes:
    """A token as it is, anything else in quotes."""
    return value if TOKEN.fullmatch(value) else quoted(value)


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


def named_schemes(fields: RawHeaders) -> set[bytes]:
    """The schemes that X-Forwarded-Proto and Forwarded name, in lower case."""
    found = {each.lower() for each in members(b",".join(values(fields, b"x-forwarded-proto")))}
    for value in values(fields, b"forwarded"):
        with contextlib.suppress(Malformed):
            found |= {each[b"proto"].lower() for each in elements(value) if b"proto" in each}
    return found


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
