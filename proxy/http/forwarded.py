"""The Forwarded field as RFC 7239 section 4 writes it: elements of pairs, quoted or not.

A value is read by its grammar or not at all. What stands inside quotes is no parameter, a comma in
quotes ends no element, and where quotes do not close nobody can say what belongs to whom.
"""

import re
from collections.abc import Iterable
from typing import Final, TypeAlias

from proxy.http.grammar import QUOTABLE, TCHAR, TOKEN, Malformed, quoted, unquoted

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
            raise Malformed(f"Forwarded {value[at : at + 80]!r}")
        name, token, text, stop = pair.groups()
        if name is not None:
            name = name.lower()
            if name in element:
                raise Malformed(f"Forwarded: {name!r} twice")
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
